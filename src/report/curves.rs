//! The curves of runs, a small chart a quantity, all in one drawing.

use super::axis::{Ticks, colour};
use super::charts::{Chart, Line, Of, charts};
use super::runs::{Group, title};
use super::undrawn;
use crate::data::Part;
use crate::error::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

const COLUMNS: usize = 2;
const CELL: (u32, u32) = (560, 330);
/// Room for the title, for one more line of it, and for a line of the legend.
const TITLE: u32 = 44;
const TITLE_LINE: u32 = 26;
const LEGEND_LINE: u32 = 20;
/// Room at the sides, and of a stroke in a legend; the size of its letters.
const MARGIN: u32 = 16;
const KEY: u32 = 26;
const LETTERS: u32 = 14;
/// The radius of a ring, and half of the side of a square.
const RING: i32 = 5;

/// The fewest and the most images.
type Counted = Option<(u64, u64)>;
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
    let width = COLUMNS as u32 * CELL.0;
    let heading = wrapped(&title(groups), width - 2 * MARGIN, 20);
    // What each colour is, in as many lines as that takes.
    let names: Vec<Vec<String>> = match groups {
        [] | [_] => Vec::new(),
        _ => groups.iter().map(|group| wrapped(&called(group), width - 2 * MARGIN - KEY, LETTERS)).collect(),
    };
    let lines = names.iter().map(Vec::len).sum::<usize>() as u32;
    let under_title = TITLE + (heading.len() as u32 - 1) * TITLE_LINE;
    let head = under_title + LEGEND_LINE * (lines + 1) + 8;
    let size = (width, rows as u32 * CELL.1 + head);
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (i, line) in heading.into_iter().enumerate() {
        root.draw(&Text::new(line, (MARGIN as i32, 12 + i as i32 * TITLE_LINE as i32), ("sans-serif", 20)))?;
    }
    let (top, below) = root.split_vertically(head);
    let mut y = under_title as i32;
    for (i, lines) in names.iter().enumerate() {
        for (k, line) in lines.iter().enumerate() {
            let place = (MARGIN as i32, y);
            match k {
                0 => key(&top, place, &colour(i, groups.len()), Stroke::Solid, line)?,
                _ => words(&top, place, line)?,
            }
            y += LEGEND_LINE as i32;
        }
    }
    let several = groups.iter().any(|g| g.runs.len() > 1);
    let note = if several { "Lines: mean over the seeds; bands: from the least to the greatest seed" } else { "" };
    let grey = ("sans-serif", LETTERS).into_font().color(&RGBColor(90, 90, 90));
    top.draw(&Text::new(note, (MARGIN as i32, y), grey))?;
    for (chart, cell) in charts.iter().zip(below.split_evenly((rows, COLUMNS))) {
        one(&cell, chart, groups.len())?;
    }
    root.present()?;
    Ok(())
}

/// What a group is called in a legend.
fn called(group: &Group<'_>) -> String {
    let n = group.runs.len();
    let seeds = if n == 1 { "1 seed".to_string() } else { format!("{n} seeds") };
    format!("{} ({seeds})", group.name)
}

/// About how wide a text is, in letters of a size: the widths of letters are those of whoever looks at it.
fn width_of(text: &str, size: u32) -> u32 {
    (text.chars().count() as u32 * size * 11).div_ceil(20)
}

/// A text in lines that are no wider than that, cut between words where it can be.
fn wrapped(text: &str, width: u32, size: u32) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_string();
        loop {
            let line = lines.last_mut().expect("there is one from the start");
            let joined = if line.is_empty() { word.clone() } else { format!("{line} {word}") };
            if width_of(&joined, size) <= width {
                *line = joined;
                break;
            }
            if line.is_empty() {
                // A word that fills more than a line.
                let fits = (1..=word.chars().count()).rev();
                let fits =
                    fits.into_iter().find(|n| width_of(&word.chars().take(*n).collect::<String>(), size) <= width);
                let n = fits.unwrap_or(1);
                *line = word.chars().take(n).collect();
                word = word.chars().skip(n).collect();
                if word.is_empty() {
                    break;
                }
            }
            lines.push(String::new());
        }
    }
    lines
}

/// How something is drawn.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stroke {
    Solid,
    Dashed,
    /// A single number of validation images, as a ring.
    Ring,
    /// A single number of test images, as a square.
    Square,
}

impl Stroke {
    /// Whether it is of points that belong to no curve.
    fn is_apart(self) -> bool {
        matches!(self, Stroke::Ring | Stroke::Square)
    }
}

/// A stroke and what it stands for.
fn key(at: &Area<'_>, (x, y): (i32, i32), colour: &RGBColor, stroke: Stroke, text: &str) -> Done {
    let parts = match stroke {
        Stroke::Solid => vec![(0, 18)],
        Stroke::Dashed => vec![(0, 7), (11, 18)],
        Stroke::Ring | Stroke::Square => Vec::new(),
    };
    for part in parts {
        at.draw(&PathElement::new([(x + part.0, y + 8), (x + part.1, y + 8)], colour.stroke_width(3)))?;
    }
    if stroke == Stroke::Ring {
        at.draw(&Circle::new((x + 9, y + 8), RING, colour.stroke_width(2)))?;
    }
    if stroke == Stroke::Square {
        let (x, y) = (x + 9, y + 8);
        at.draw(&Rectangle::new([(x - RING, y - RING), (x + RING, y + RING)], colour.stroke_width(2)))?;
    }
    words(at, (x, y), text)
}

/// The words of a legend, behind the place of a stroke.
fn words(at: &Area<'_>, (x, y): (i32, i32), text: &str) -> Done {
    at.draw(&Text::new(text.to_string(), (x + KEY as i32, y), ("sans-serif", LETTERS)))?;
    Ok(())
}

/// How a line is drawn: its colour and its stroke.
fn style(line: &Line, chart: &Chart, groups: usize) -> (RGBColor, Stroke) {
    let beside_others = line.of == Of::Training && chart.lines.iter().any(|l| l.of != Of::Training);
    let stroke = match (line.once, groups > 1 && beside_others) {
        (true, _) if line.of == Of::Held(Part::Test.to_string()) => Stroke::Square,
        (true, _) => Stroke::Ring,
        (false, true) => Stroke::Dashed,
        (false, false) => Stroke::Solid,
    };
    if groups > 1 {
        return (colour(line.group, groups), stroke);
    }
    let place = chart.lines.iter().position(|l| l.of == line.of).unwrap_or(0);
    match line.of {
        // From light to dark through the network.
        Of::Layer(n) => {
            let share = (n - 1) as f64 / (chart.lines.len() - 1).max(1) as f64;
            let mix = |from: f64, to: f64| (from + share * (to - from)) as u8;
            (RGBColor(mix(150.0, 8.0), mix(200.0, 48.0), mix(235.0, 107.0)), stroke)
        }
        _ => (colour(place, chart.lines.len()), stroke),
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
    // As many in a line as there is room for.
    let (mut places, mut at) = (Vec::new(), (76, 36));
    for (text, ..) in &legend {
        let wide = (KEY + width_of(text, LETTERS) + 14) as i32;
        if at.0 > 76 && at.0 + wide > CELL.0 as i32 {
            at = (76, at.1 + LEGEND_LINE as i32);
        }
        places.push(at);
        at.0 += wide;
    }
    let head_size = places.last().map_or(34, |(_, y)| *y as u32 + 18);
    let (head, plot) = cell.split_vertically(head_size);
    head.draw(&Text::new(chart.title.clone(), (76, 14), ("sans-serif", 16)))?;
    for ((text, colour, stroke), place) in legend.iter().zip(places) {
        key(&head, place, colour, *stroke, text)?;
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
        let (colour, stroke) = style(line, chart, groups);
        if !line.once && line.points.iter().any(|p| p.band.1 > p.band.0) {
            let there = line.points.iter().map(|p| (p.x, p.band.0));
            let back = line.points.iter().rev().map(|p| (p.x, p.band.1));
            axes.draw_series(std::iter::once(Polygon::new(there.chain(back).collect::<Vec<_>>(), colour.mix(0.18))))?;
        }
        let all = || line.points.iter().map(|p| (p.x, p.y));
        match stroke {
            Stroke::Dashed => drop(axes.draw_series(DashedLineSeries::new(all(), 6, 4, colour.stroke_width(1)))?),
            Stroke::Solid => drop(axes.draw_series(LineSeries::new(all(), colour.stroke_width(2)))?),
            Stroke::Ring => drop(axes.draw_series(all().map(|p| Circle::new(p, RING, colour.stroke_width(2))))?),
            Stroke::Square => drop(axes.draw_series(all().map(|p| {
                let corners = [(-RING, -RING), (RING, RING)];
                EmptyElement::at(p) + Rectangle::new(corners, colour.stroke_width(2))
            }))?),
        }
        // A line of few points is seen as such, and one of a single point is seen at all.
        let few = if matches!(line.of, Of::Layer(_)) { 1 } else { 12 };
        if line.points.len() <= few && !stroke.is_apart() {
            axes.draw_series(all().map(|p| Circle::new(p, 3, colour.filled())))?;
        }
    }
    Ok(())
}

/// What a line is of, with the number of images.
fn word(of: &Of, images: Option<(u64, u64)>) -> String {
    let counted = match images {
        Some((least, most)) if least == most => format!(" ({least} images)"),
        Some((least, most)) => format!(" ({least} to {most} images)"),
        None => String::new(),
    };
    match of {
        Of::Training => format!("training{}", if counted.is_empty() { " images".into() } else { counted }),
        Of::Held(part) => format!("{part}{counted}"),
        Of::Named(name) => name.clone(),
        Of::Layer(n) => format!("binary layer {n}"),
    }
}

/// What the lines of a chart are, where the legend of the whole drawing does not say it: that tells groups by their colours.
fn legend(chart: &Chart, groups: usize) -> Vec<(String, RGBColor, Stroke)> {
    if groups > 1 {
        let mut parts: Vec<(&Of, Stroke, Counted)> = Vec::new();
        for line in chart.lines.iter().filter(|l| matches!(l.of, Of::Training | Of::Held(_))) {
            let (_, stroke) = style(line, chart, groups);
            match parts.iter_mut().find(|(of, drawn, _)| **of == line.of && *drawn == stroke) {
                Some((.., images)) => {
                    *images = images.zip(line.images).map(|((a, b), (c, d))| (a.min(c), b.max(d)));
                }
                None => parts.push((&line.of, stroke, line.images)),
            }
        }
        // A rate is of no images.
        let of_images = |(of, ..): &(&Of, Stroke, _)| chart.title != "learning rate" || **of != Of::Training;
        let grey = RGBColor(90, 90, 90);
        return parts
            .into_iter()
            .filter(of_images)
            .map(|(of, stroke, images)| (word(of, images), grey, stroke))
            .collect();
    }
    if matches!(&chart.lines[..], [one] if matches!(one.of, Of::Named(_)) || chart.title == "learning rate") {
        return Vec::new();
    }
    let layers = chart.lines.iter().filter(|l| matches!(l.of, Of::Layer(_))).count();
    let shown: Vec<&Line> = match layers {
        // The colours between those of the first and the last go from one to the other.
        3.. => [chart.lines.first(), chart.lines.last()].into_iter().flatten().collect(),
        _ => chart.lines.iter().collect(),
    };
    let one = |l: &Line| {
        let (colour, stroke) = style(l, chart, groups);
        (word(&l.of, l.images), colour, stroke)
    };
    shown.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_into_lines_that_fit() {
        let name =
            "fashion-binary, augment.random_resized_crop.scale = [0.08, 1.0], net.widths = [16, 32, 64, 64] (3 seeds)";
        let lines = wrapped(name, 300, LETTERS);
        assert!(lines.len() > 1 && lines.iter().all(|l| width_of(l, LETTERS) <= 300), "{lines:?}");
        assert_eq!(lines.join(" "), name);
        let word = "x".repeat(100);
        let lines = wrapped(&word, 300, LETTERS);
        assert!(lines.len() > 1 && lines.iter().all(|l| width_of(l, LETTERS) <= 300), "{lines:?}");
        assert_eq!(lines.concat(), word);
        assert_eq!(wrapped("", 300, LETTERS), [""]);
    }
}
