//! The curves of runs, a small chart a quantity, all in one drawing.

use super::axis::{Ticks, colour};
use super::charts::{Chart, Line, Of, charts};
use super::runs::{Group, title};
use super::undrawn;
use crate::error::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

const COLUMNS: usize = 2;
const CELL: (u32, u32) = (560, 330);
/// Room for the title, and for a line of the legend.
const TITLE: u32 = 44;
const LEGEND_LINE: u32 = 20;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Done = std::result::Result<(), Box<dyn std::error::Error>>;

/// An SVG drawing: accuracies, losses, the learning rate, what methods log, and the statistics of the binary layers of a single
/// group of runs. Lines are means over the seeds of a group, bands reach from the least to the greatest.
///
/// # Errors
/// If the drawing fails, which would be a fault of this program.
pub fn curves_svg(groups: &[Group<'_>]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, groups, &charts(groups)).map_err(|e| undrawn("the curves", &*e))?;
    Ok(svg)
}

fn draw(svg: &mut String, groups: &[Group<'_>], charts: &[Chart]) -> Done {
    let rows = charts.len().div_ceil(COLUMNS).max(1);
    let legend = if groups.len() > 1 { groups.len() as u32 + 1 } else { 1 };
    let head = TITLE + LEGEND_LINE * legend + 8;
    let size = (COLUMNS as u32 * CELL.0, rows as u32 * CELL.1 + head);
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title(groups), (16, 12), ("sans-serif", 20)))?;
    let (top, below) = root.split_vertically(head);
    if groups.len() > 1 {
        for (i, group) in groups.iter().enumerate() {
            let y = (TITLE + LEGEND_LINE * i as u32) as i32;
            let n = group.runs.len();
            let seeds = if n == 1 { "1 seed".to_string() } else { format!("{n} seeds") };
            key(&top, (16, y), &colour(i, groups.len()), false, &format!("{} ({seeds})", group.name))?;
        }
    }
    let y = (TITLE + LEGEND_LINE * (legend - 1)) as i32;
    let band =
        if groups.iter().any(|g| g.runs.len() > 1) { "; bands: from the least to the greatest seed" } else { "" };
    let words = match groups.len() {
        1 if band.is_empty() => String::new(),
        1 => format!("Lines: mean over the seeds{band}"),
        _ => format!("Solid: validation or test images; dashed: training images{band}"),
    };
    top.draw(&Text::new(words, (16, y), ("sans-serif", 14).into_font().color(&RGBColor(90, 90, 90))))?;
    for (chart, cell) in charts.iter().zip(below.split_evenly((rows, COLUMNS))) {
        one(&cell, chart, groups.len())?;
    }
    root.present()?;
    Ok(())
}

/// A stroke and what it stands for.
fn key(at: &Area<'_>, (x, y): (i32, i32), colour: &RGBColor, dashed: bool, text: &str) -> Done {
    for part in if dashed { vec![(0, 7), (11, 18)] } else { vec![(0, 18)] } {
        at.draw(&PathElement::new([(x + part.0, y + 8), (x + part.1, y + 8)], colour.stroke_width(3)))?;
    }
    at.draw(&Text::new(text.to_string(), (x + 26, y), ("sans-serif", 14)))?;
    Ok(())
}

/// How a line is drawn: its colour, and whether it is dashed.
fn style(line: &Line, chart: &Chart, groups: usize) -> (RGBColor, bool) {
    if groups > 1 {
        return (
            colour(line.group, groups),
            line.of == Of::Training && chart.lines.iter().any(|l| l.of != Of::Training),
        );
    }
    let place = chart.lines.iter().position(|l| l.of == line.of).unwrap_or(0);
    match line.of {
        // From light to dark through the network.
        Of::Layer(n) => {
            let share = (n - 1) as f64 / (chart.lines.len() - 1).max(1) as f64;
            let mix = |from: f64, to: f64| (from + share * (to - from)) as u8;
            (RGBColor(mix(150.0, 8.0), mix(200.0, 48.0), mix(235.0, 107.0)), false)
        }
        _ => (colour(place, chart.lines.len()), false),
    }
}

fn one(cell: &Area<'_>, chart: &Chart, groups: usize) -> Done {
    let points = || chart.lines.iter().flat_map(|l| &l.points);
    let span = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        // A line of one value still has a place.
        let room = if high > low { 0.05 * (high - low) } else { high.abs().max(1e-3) * 0.1 };
        low - room..high + room
    };
    let x = span(&mut points().map(|p| p.x));
    let y = span(&mut points().flat_map(|p| [p.band.0, p.band.1]));
    let (x_ticks, y_ticks) = (Ticks::of(&x, 6), Ticks::of(&y, 5));
    let legend = legend(chart, groups);
    let (head, plot) = cell.split_vertically(if legend.is_empty() { 34 } else { 54 });
    head.draw(&Text::new(chart.title.clone(), (76, 14), ("sans-serif", 16)))?;
    let mut at = 76;
    for (text, colour, dashed) in &legend {
        key(&head, (at, 36), colour, *dashed, text)?;
        at += 26 + 13 * text.chars().count() as i32 / 2 + 14;
    }
    let mut axes = ChartBuilder::on(&plot)
        .margin_left(10)
        .margin_right(18)
        .margin_bottom(6)
        .x_label_area_size(42)
        .y_label_area_size(66)
        .build_cartesian_2d(x, y)?;
    axes.configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(RGBColor(80, 80, 80))
        .x_labels(x_ticks.n)
        .y_labels(y_ticks.n)
        .x_label_formatter(&|v| x_ticks.text(*v))
        .y_label_formatter(&|v| y_ticks.text(*v))
        .x_desc("training step")
        .y_desc(chart.y.clone())
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 13))
        .draw()?;
    for line in &chart.lines {
        let (colour, dashed) = style(line, chart, groups);
        if line.points.iter().any(|p| p.band.1 > p.band.0) {
            let there = line.points.iter().map(|p| (p.x, p.band.0));
            let back = line.points.iter().rev().map(|p| (p.x, p.band.1));
            axes.draw_series(std::iter::once(Polygon::new(there.chain(back).collect::<Vec<_>>(), colour.mix(0.18))))?;
        }
        let all = || line.points.iter().map(|p| (p.x, p.y));
        match dashed {
            true => drop(axes.draw_series(DashedLineSeries::new(all(), 6, 4, colour.stroke_width(1)))?),
            false => drop(axes.draw_series(LineSeries::new(all(), colour.stroke_width(2)))?),
        }
        // A line of few points is seen as such, and one of a single point is seen at all.
        if line.points.len() <= 12 && !matches!(line.of, Of::Layer(_)) {
            axes.draw_series(all().map(|p| Circle::new(p, 3, colour.filled())))?;
        }
    }
    Ok(())
}

/// What the lines of a chart are, where the legend of the whole drawing does not say it.
fn legend(chart: &Chart, groups: usize) -> Vec<(String, RGBColor, bool)> {
    let word = |of: &Of| match of {
        Of::Training => "training images".to_string(),
        Of::Held(part) => part.clone(),
        Of::Named(name) => name.clone(),
        Of::Layer(n) => format!("binary layer {n}"),
    };
    if groups > 1 || matches!(&chart.lines[..], [one] if matches!(one.of, Of::Training | Of::Named(_))) {
        return Vec::new();
    }
    let layers = chart.lines.iter().filter(|l| matches!(l.of, Of::Layer(_))).count();
    let shown: Vec<&Line> = match layers {
        // The colours between those of the first and the last go from one to the other.
        3.. => [chart.lines.first(), chart.lines.last()].into_iter().flatten().collect(),
        _ => chart.lines.iter().collect(),
    };
    let one = |l: &Line| {
        let (colour, dashed) = style(l, chart, groups);
        (word(&l.of), colour, dashed)
    };
    shown.into_iter().map(one).collect()
}
