//! The roofline picture (Williams, Waterman, Patterson 2009): operations a second over operations a byte. Memory is
//! the slope, arithmetic the flat roofs; a kernel lies below both.

use super::measure::Measured;
use super::report::Report;
use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Display;
use std::ops::Range;

/// Width of the plot, and of the list of kernels beside it.
const PLOT: u32 = 900;
const LIST: u32 = 560;
/// Height of a line of the list.
const LINE: u32 = 17;
const FONT: (&str, u32) = ("sans-serif", 14);

/// Colours of the families of ops, by what their names begin with, the longer ones first.
const FAMILIES: [(&str, RGBColor); 7] = [
    ("xnor_conv2d_input_grad", RGBColor(202, 110, 20)),
    ("xnor_conv2d_weight_grad", RGBColor(168, 60, 130)),
    ("xnor_conv2d", RGBColor(200, 30, 40)),
    ("conv2d_input_grad", RGBColor(20, 130, 120)),
    ("conv2d_weight_grad", RGBColor(70, 90, 200)),
    ("conv2d", RGBColor(30, 120, 200)),
    ("matmul", RGBColor(60, 60, 60)),
];

fn colour(name: &str) -> RGBColor {
    FAMILIES.iter().find(|(family, _)| name.starts_with(family)).map_or(RGBColor(110, 110, 110), |(_, c)| *c)
}

/// An SVG drawing.
///
/// # Errors
/// If the drawing fails, which would be a fault of this program.
pub fn roofline_svg(report: &Report) -> Result<String> {
    let height = (120 + LINE * report.kernels.len() as u32).max(680);
    let mut svg = String::new();
    draw(&mut svg, height, report)
        .map_err(|e| Error::Config(format!("the roofline could not be drawn: {e}; please report it")))?;
    Ok(svg)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, height: u32, report: &Report) -> Drawn {
    let root = SVGBackend::with_string(svg, (PLOT + LIST, height)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&text(format!("{}", report.device), (14, 10), 18))?;
    let (plot, list) = root.margin(38, 0, 0, 0).split_horizontally(PLOT);
    draw_plot(&plot, report)?;
    draw_list(&list, report)?;
    root.present()?;
    Ok(())
}

fn text<'a>(content: impl Display, at: (i32, i32), size: u32) -> Text<'a, (i32, i32), String> {
    Text::new(content.to_string(), at, (FONT.0, size).into_font())
}

/// Points that can be drawn: number in the list, kernel, operations a byte.
fn points(report: &Report) -> Vec<(usize, &Measured, f64)> {
    let numbered = report.kernels.iter().enumerate();
    numbered.filter_map(|(i, k)| Some((i + 1, k, k.intensity()?))).filter(|(_, k, _)| k.rate > 0.0).collect()
}

/// The powers of ten around numbers, with room.
fn decades(values: impl Iterator<Item = f64>, room: f64) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, 0.0), |(l, h): (f64, f64), v| (l.min(v), h.max(v)));
    if low > high { 1.0..10.0 } else { low / room..high * room }
}

fn draw_plot(area: &DrawingArea<SVGBackend<'_>, Shift>, report: &Report) -> Drawn {
    let (c, points) = (&report.ceilings, points(report));
    let sums = c.sums_gops.map(|rate| ("sums", rate, RGBColor(160, 100, 20)));
    let flat = [("f32", c.f32_gops, RGBColor(30, 90, 200)), ("bits", c.bit_gops, RGBColor(200, 30, 40))];
    let flat: Vec<(&str, f64, RGBColor)> = flat.into_iter().chain(sums).collect();
    // From left of where memory stops being the bound of the lowest roof to right of where it does so for the highest.
    let xs = decades(points.iter().map(|p| p.2).chain(flat.iter().map(|f| f.1 / c.copy_gbs)), 2.0);
    let ys = decades(points.iter().map(|p| p.1.rate).chain(flat.iter().map(|f| f.1)), 2.0);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .build_cartesian_2d(xs.clone().log_scale(), ys.clone().log_scale())?;
    chart
        .configure_mesh()
        .x_desc("operations a byte")
        .y_desc("billions of operations a second")
        .label_style(FONT)
        .light_line_style(WHITE)
        .x_label_formatter(&|v| number(*v))
        .y_label_formatter(&|v| number(*v))
        .draw()?;

    let slope = RGBColor(90, 90, 90);
    let top = flat.iter().map(|f| f.1).fold(0.0, f64::max).min(xs.end * c.copy_gbs);
    let foot = (ys.start / c.copy_gbs).max(xs.start);
    let line = |from: (f64, f64), to: (f64, f64), colour: RGBColor| LineSeries::new([from, to], colour.stroke_width(2));
    chart.draw_series(line((foot, foot * c.copy_gbs), (top / c.copy_gbs, top), slope))?;
    for &(_, rate, colour) in &flat {
        chart.draw_series(line(((rate / c.copy_gbs).max(xs.start), rate), (xs.end, rate), colour))?;
    }
    let mut taken = Taken::default();
    let mut roof = |at: (f64, f64), label: String, colour: RGBColor, pos: Pos, (dx, dy): (i32, i32)| -> Drawn {
        let style = FONT.into_font().color(&colour).pos(pos);
        let (x, y) = chart.backend_coord(&at);
        let (x, y) = (x - area.get_base_pixel().0 + dx, y - area.get_base_pixel().1 + dy);
        let width = 7 * label.len() as i32;
        taken.add(if matches!(pos.h_pos, HPos::Right) { x - width } else { x }, y - 14, width, 15);
        area.draw(&Text::new(label, (x, y), style))?;
        Ok(())
    };
    let right = Pos::new(HPos::Right, VPos::Bottom);
    for (name, rate, colour) in flat {
        roof((xs.end, rate), format!("{name} {} Gop/s", number(rate)), colour, right, (-6, -4))?;
    }
    let label = format!("copy {} GB/s", number(c.copy_gbs));
    roof((foot, foot * c.copy_gbs), label, slope, Pos::new(HPos::Left, VPos::Bottom), (16, 0))?;

    let base = area.get_base_pixel();
    let at: Vec<(i32, i32)> = points
        .iter()
        .map(|(_, k, x)| chart.backend_coord(&(*x, k.rate)))
        .map(|(x, y)| (x - base.0, y - base.1))
        .collect();
    at.iter().for_each(|&(x, y)| taken.add(x - 4, y - 4, 8, 8));
    for ((i, k, _), &(x, y)) in points.iter().zip(&at) {
        let colour = colour(&k.name);
        area.draw(&Circle::new((x, y), 4, colour.filled()))?;
        let label = i.to_string();
        let (lx, ly) = taken.beside((x, y), 8 * label.len() as i32, 13);
        if (lx - x).abs() + (ly - y).abs() > 24 {
            area.draw(&PathElement::new([(x, y), (lx + 4 * label.len() as i32, ly + 6)], colour.mix(0.4)))?;
        }
        let style = (FONT.0, 13).into_font().color(&colour);
        area.draw(&Text::new(label, (lx, ly), style))?;
    }
    Ok(())
}

/// Where something is drawn already.
#[derive(Default)]
struct Taken(Vec<[i32; 4]>);

impl Taken {
    fn add(&mut self, x: i32, y: i32, width: i32, height: i32) {
        self.0.push([x, y, x + width, y + height]);
    }

    /// The free place of this size that is nearest to a point, which is then taken: its upper left corner.
    fn beside(&mut self, (x, y): (i32, i32), width: i32, height: i32) -> (i32, i32) {
        let free = |&(left, top): &(i32, i32)| {
            let hits = |r: &[i32; 4]| left < r[2] && r[0] < left + width && top < r[3] && r[1] < top + height;
            !self.0.iter().any(hits)
        };
        let around = |distance: i32| {
            let turn = |i: i32| std::f64::consts::TAU * i as f64 / 16.0;
            let place = move |i: i32| {
                let (dx, dy) = (turn(i).cos() * distance as f64, turn(i).sin() * distance as f64);
                (x + dx as i32 - width / 2, y - dy as i32 - height / 2)
            };
            (0..16).map(place)
        };
        let found = (10..120).step_by(4).flat_map(around).find(free).unwrap_or((x + 6, y - height / 2));
        self.add(found.0, found.1, width, height);
        found
    }
}

fn draw_list(area: &DrawingArea<SVGBackend<'_>, Shift>, report: &Report) -> Drawn {
    area.draw(&text("share of the roof", (10, 2), 14))?;
    for (i, k) in report.kernels.iter().enumerate() {
        let y = 22 + (LINE * i as u32) as i32;
        let style = FONT.into_font().color(&colour(&k.name));
        let right = style.pos(Pos::new(HPos::Right, VPos::Top));
        area.draw(&Text::new((i + 1).to_string(), (30, y), right.clone()))?;
        area.draw(&Text::new(format!("{:.2}", k.share), (72, y), right.clone()))?;
        area.draw(&Text::new(k.roof.name().to_string(), (108, y), right))?;
        area.draw(&Text::new(k.name.clone(), (118, y), style))?;
    }
    Ok(())
}

/// Three digits that matter.
fn number(v: f64) -> String {
    let decimals = (2.0 - v.abs().max(1e-9).log10().floor()).max(0.0) as usize;
    let text = format!("{v:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}
