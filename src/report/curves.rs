//! What a run logged over its epochs, one small chart a quantity.

use super::undrawn;
use crate::error::Result;
use crate::train::run::Metric;
use plotters::prelude::*;
use std::collections::BTreeMap;

/// A line of a chart.
type Line = (String, Vec<(f64, f64)>);

const COLUMNS: usize = 3;
const CELL: (u32, u32) = (400, 240);

/// An SVG drawing: accuracies, losses, what the method logs, and the statistics of the binary layers.
///
/// # Errors
/// If the drawing fails, which would be a fault of this program.
pub fn curves_svg(title: &str, metrics: &[Metric]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, title, &charts(metrics)).map_err(|e| undrawn("the curves", &e))?;
    Ok(svg)
}

/// Charts by name, in the order in which they are shown.
fn charts(metrics: &[Metric]) -> Vec<(String, Vec<Line>)> {
    let mut all: Vec<(String, Vec<Line>)> = Vec::new();
    let mut put = |chart: &str, line: &str, at: (f64, f64)| {
        let i = all.iter().position(|(name, _)| name == chart).unwrap_or_else(|| {
            all.push((chart.to_string(), Vec::new()));
            all.len() - 1
        });
        let lines = &mut all[i].1;
        match lines.iter_mut().find(|(name, _)| name == line) {
            Some((_, points)) => points.push(at),
            None => lines.push((line.to_string(), vec![at])),
        }
    };
    for m in metrics {
        match m {
            Metric::Train { steps, loss, accuracy, .. } => {
                put("accuracy by steps", "training", (*steps as f64, *accuracy));
                put("loss by steps", "training", (*steps as f64, *loss));
            }
            Metric::Val { steps, loss, accuracy, .. } => {
                put("accuracy by steps", "validation", (*steps as f64, *accuracy));
                put("loss by steps", "validation", (*steps as f64, *loss));
            }
            Metric::Test { steps, loss, accuracy, .. } => {
                put("accuracy by steps", "test", (*steps as f64, *accuracy));
                put("loss by steps", "test", (*steps as f64, *loss));
            }
            Metric::BeforeRefresh { steps, loss, accuracy, .. } => {
                put("accuracy by steps", "validation before the second pass", (*steps as f64, *accuracy));
                put("loss by steps", "validation before the second pass", (*steps as f64, *loss));
            }
            // The same as by steps, and coarser.
            Metric::Epoch { .. } => {}
            Metric::Means { epoch, values, .. } => {
                for (name, value) in values {
                    // Discriminators share charts: "d0.right_on_real".
                    let (line, chart) = name.split_once('.').unwrap_or(("mean", name));
                    put(chart, line, (*epoch as f64, *value));
                }
            }
            Metric::Layers { epoch, layers, .. } => {
                for l in layers {
                    let of: BTreeMap<&str, Option<f64>> = BTreeMap::from([
                        ("share of ones", Some(l.ones)),
                        ("flip rate of bits", l.flip_rate),
                        ("best share k*/n", Some(l.best_share)),
                        ("kurtosis", Some(l.kurtosis)),
                        ("bimodality", Some(l.bimodality)),
                        ("scale matrix, mean", l.matrix),
                        ("mean magnitude", Some(l.mean_magnitude)),
                    ]);
                    for (chart, value) in of.into_iter().filter_map(|(c, v)| Some((c, v?))) {
                        put(chart, &l.name, (*epoch as f64, value));
                    }
                }
            }
        }
    }
    all
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, title: &str, charts: &[(String, Vec<Line>)]) -> Drawn {
    let rows = charts.len().div_ceil(COLUMNS).max(1);
    let size = (COLUMNS as u32 * CELL.0, rows as u32 * CELL.1 + 40);
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title.to_string(), (14, 10), ("sans-serif", 18)))?;
    let cells = root.margin(36, 0, 0, 0).split_evenly((rows, COLUMNS));
    for ((name, lines), cell) in charts.iter().zip(&cells) {
        let points = || lines.iter().flat_map(|(_, p)| p);
        let span = |f: fn(&(f64, f64)) -> f64| {
            let (low, high) = points().map(f).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
            // A line of one value still has a place.
            let room = if high > low { 0.04 * (high - low) } else { high.abs().max(1.0) * 0.1 };
            low - room..high + room
        };
        let mut chart = ChartBuilder::on(cell)
            .margin(8)
            .caption(name, ("sans-serif", 14))
            .x_label_area_size(22)
            .y_label_area_size(44)
            .build_cartesian_2d(span(|p| p.0), span(|p| p.1))?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_labels(5)
            .y_labels(5)
            .label_style(("sans-serif", 10))
            .draw()?;
        for (i, (label, points)) in lines.iter().enumerate() {
            let colour = HSLColor(i as f64 / lines.len() as f64, 0.7, 0.42);
            let series = chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            // A legend of many layers would hide the lines.
            if lines.len() <= 4 {
                series.label(label).legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour));
            }
        }
        if lines.len() > 1 && lines.len() <= 4 {
            chart.configure_series_labels().background_style(WHITE.mix(0.7)).label_font(("sans-serif", 11)).draw()?;
        }
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_logged_is_drawn() {
        let values = BTreeMap::from([("d0.right_on_real".to_string(), 0.9), ("kernel_loss".to_string(), 0.1)]);
        let metrics = [
            Metric::Val { epoch: 1, steps: 10, images: 9, loss: 1.0, accuracy: 0.5, top5: 0.9 },
            Metric::Val { epoch: 2, steps: 20, images: 9, loss: 0.8, accuracy: 0.6, top5: 0.9 },
            Metric::Means { epoch: 1, steps: 10, values },
        ];
        let svg = curves_svg("a run", &metrics).unwrap();
        for word in ["a run", "accuracy by steps", "right_on_real", "kernel_loss"] {
            assert!(svg.contains(word), "{word}");
        }
    }
}
