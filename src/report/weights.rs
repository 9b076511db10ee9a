//! The latent weights of each binary layer as a histogram, with the Laplacian and the Gaussian that fit them best:
//! SiMaN's figure.

use super::axis::Ticks;
use super::undrawn;
use crate::error::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

/// A Laplacian by maximum likelihood: the median, and the mean distance from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Laplace {
    /// Where it is centred.
    pub median: f64,
    /// Its scale.
    pub b: f64,
}

impl Laplace {
    /// The one that fits best. `x` holds at least one number.
    pub fn fit(x: &[f32]) -> Laplace {
        let mut sorted: Vec<f64> = x.iter().map(|v| *v as f64).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let n = sorted.len();
        let median = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
        Laplace { median, b: sorted.iter().map(|v| (v - median).abs()).sum::<f64>() / n as f64 }
    }

    /// Density at `x`.
    pub fn density(&self, x: f64) -> f64 {
        (-(x - self.median).abs() / self.b).exp() / (2.0 * self.b)
    }
}

const COLUMNS: usize = 4;
const CELL: (u32, u32) = (320, 260);
const BINS: usize = 61;

/// An SVG drawing of the layers `(name, weights)`.
///
/// # Errors
/// If the drawing fails, which would be a fault of this program.
pub fn weights_svg(title: &str, layers: &[(String, Vec<f32>)]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, title, layers).map_err(|e| undrawn("the weights", &e))?;
    Ok(svg)
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, title: &str, layers: &[(String, Vec<f32>)]) -> Drawn {
    let rows = layers.len().div_ceil(COLUMNS).max(1);
    let size = (COLUMNS as u32 * CELL.0, rows as u32 * CELL.1 + 60);
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(title.to_string(), (14, 10), ("sans-serif", 18)))?;
    let legend = "Bars: latent weights; red: the Laplacian, blue: the Gaussian that fits best";
    root.draw(&Text::new(legend, (14, 34), ("sans-serif", 13)))?;
    let cells = root.margin(56, 0, 0, 0).split_evenly((rows, COLUMNS));
    for ((name, weights), cell) in layers.iter().zip(&cells) {
        histogram(cell, name, weights)?;
    }
    root.present()?;
    Ok(())
}

fn histogram(cell: &DrawingArea<SVGBackend<'_>, Shift>, name: &str, x: &[f32]) -> Drawn {
    let n = x.len() as f64;
    let mean = x.iter().map(|v| *v as f64).sum::<f64>() / n;
    let std = (x.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / n).sqrt().max(1e-12);
    let fit = Laplace::fit(x);
    // Four deviations to either side hold what there is to see.
    let (low, width) = (mean - 4.0 * std, 8.0 * std / BINS as f64);
    let mut bins = vec![0u64; BINS];
    for v in x {
        if let Some(bin) = bins.get_mut(((*v as f64 - low) / width).floor() as usize) {
            *bin += 1;
        }
    }
    let density = |count: u64| count as f64 / (n * width);
    let normal = |x: f64| (-0.5 * ((x - mean) / std).powi(2)).exp() / (std * (2.0 * std::f64::consts::PI).sqrt());
    let peak = bins.iter().map(|b| density(*b)).fold(normal(mean).max(fit.density(fit.median)), f64::max);
    let mut chart = ChartBuilder::on(cell)
        .margin(8)
        .caption(format!("{name}, {} weights", x.len()), ("sans-serif", 14))
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(low..low + 8.0 * std, 0.0..1.05 * peak)?;
    let (x_ticks, y_ticks) = (Ticks::of(&(low..low + 8.0 * std), 5), Ticks::of(&(0.0..1.05 * peak), 4));
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(x_ticks.n)
        .y_labels(y_ticks.n)
        .x_label_formatter(&|v| x_ticks.text(*v))
        .y_label_formatter(&|v| y_ticks.text(*v))
        .x_desc("latent weight")
        .y_desc("density")
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 12))
        .draw()?;
    chart.draw_series(bins.iter().enumerate().map(|(i, count)| {
        let left = low + i as f64 * width;
        Rectangle::new([(left, 0.0), (left + width, density(*count))], RGBColor(190, 200, 210).filled())
    }))?;
    let places = || (0..=400).map(|i| low + 8.0 * std * i as f64 / 400.0);
    chart.draw_series(LineSeries::new(places().map(|x| (x, fit.density(x))), RGBColor(200, 30, 40).stroke_width(2)))?;
    chart.draw_series(LineSeries::new(places().map(|x| (x, normal(x))), RGBColor(30, 90, 200).stroke_width(1)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_is_that_of_maximum_likelihood() {
        let fit = Laplace::fit(&[-3.0, -1.0, 0.0, 1.0, 5.0]);
        assert_eq!(fit, Laplace { median: 0.0, b: 2.0 });
        assert!((fit.density(2.0) - (-1f64).exp() / 4.0).abs() < 1e-12);
        assert_eq!(Laplace::fit(&[1.0, 3.0]).median, 2.0);
    }

    #[test]
    fn every_layer_is_drawn() {
        let layer = |name: &str| (name.to_string(), (0..500).map(|i| (i as f32 / 40.0).sin()).collect());
        let svg = weights_svg("a run", &[layer("one"), layer("two"), layer("three")]).unwrap();
        for word in ["a run", "one, 500 weights", "three, 500 weights"] {
            assert!(svg.contains(word), "{word}");
        }
        // Equal weights have no width; they are drawn all the same.
        assert!(weights_svg("flat", &[("flat".into(), vec![0.5; 9])]).unwrap().contains("flat, 9 weights"));
    }
}
