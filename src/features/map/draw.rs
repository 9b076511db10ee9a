//! The two panels and the legend.

use super::Map;
use super::canvas::{Canvas, Colour, LETTER};
use crate::error::{Error, Result};
use crate::rng::{Philox, streams};
use std::io::Cursor;

/// Colours of the first twenty classes, all readable on white; later classes start again.
pub const COLOURS: [[u8; 3]; 20] = [
    [31, 119, 180],
    [214, 39, 40],
    [44, 140, 44],
    [235, 120, 0],
    [125, 60, 190],
    [140, 75, 35],
    [225, 70, 170],
    [95, 95, 95],
    [160, 150, 0],
    [0, 175, 190],
    [0, 0, 140],
    [120, 0, 40],
    [0, 75, 45],
    [240, 130, 120],
    [110, 190, 60],
    [150, 140, 240],
    [80, 0, 100],
    [200, 150, 70],
    [60, 160, 130],
    [0, 0, 0],
];
const UNLABELLED: Colour = [31, 119, 180];
const GREY: Colour = [190; 3];

const PANEL: u32 = 640;
const MARGIN: u32 = 16;
const TOP: u32 = 64;
const LEGEND: u32 = 200;
const LINE: u32 = 22;
const RADIUS: f64 = 2.5;

pub(super) fn png(map: &Map, title: &str, labels: Option<(&[u32], &[String])>) -> Result<Vec<u8>> {
    let legend = if labels.is_some() { LEGEND + MARGIN } else { 0 };
    let width = 3 * MARGIN + 2 * PANEL + legend;
    let mut canvas = Canvas::new(width, TOP + PANEL + MARGIN);
    canvas.text((MARGIN, MARGIN / 2), width - 2 * MARGIN, title);
    let count = match map.taken.len() {
        n if n == map.of => format!("{n} images"),
        n => format!("{n} of {} images", map.of),
    };
    let tsne = format!("t-SNE, perplexity {:.0}, {count}", map.perplexity);
    let pca = format!("PCA, {:.0} % of the variance", 100.0 * map.share);
    // In the order of the data whole classes would hide others.
    let order = Philox::new(map.seed, streams::MAP).permutation(1, map.taken.len() as u32);
    for (i, (caption, points)) in [(tsne, &map.tsne), (pca, &map.pca)].iter().enumerate() {
        let left = MARGIN + i as u32 * (PANEL + MARGIN);
        canvas.text((left, TOP - LETTER.1 - 4), PANEL, caption);
        canvas.frame((left, TOP), (PANEL, PANEL), GREY);
        let place = fitted(points);
        for point in &order {
            let point = *point as usize;
            let (x, y) = place(points[point]);
            let class = labels.map(|(l, _)| l[map.taken[point] as usize] as usize);
            let colour = class.map_or(UNLABELLED, |c| COLOURS[c % COLOURS.len()]);
            canvas.disc((left as f64 + x, TOP as f64 + y), RADIUS, colour);
        }
    }
    if let Some((_, classes)) = labels {
        let left = 3 * MARGIN + 2 * PANEL;
        for (i, (name, colour)) in classes.iter().zip(COLOURS).enumerate() {
            let top = TOP + i as u32 * LINE;
            canvas.disc((left as f64 + 6.0, top as f64 + 8.0), 5.0, colour);
            canvas.text((left + 20, top), LEGEND - 20, name);
        }
        if let Some(more) = classes.len().checked_sub(COLOURS.len()).filter(|m| *m > 0) {
            let top = TOP + COLOURS.len() as u32 * LINE;
            canvas.text((left, top), LEGEND, &format!("and {more} more:"));
            canvas.text((left, top + LINE), LEGEND, "colours start again");
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    let written = canvas.finish().write_to(&mut bytes, image::ImageFormat::Png);
    written.map_err(|e| Error::Config(format!("the map could not be drawn: {e}; please report it")))?;
    Ok(bytes.into_inner())
}

/// Where a point lies in its panel: both axes have the same scale, and the second one goes up.
fn fitted(points: &[[f64; 2]]) -> impl Fn([f64; 2]) -> (f64, f64) {
    let range = |axis: usize| {
        let values = || points.iter().map(|p| p[axis]);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((x0, x1), (y0, y1)) = (range(0), range(1));
    let extent = (x1 - x0).max(y1 - y0);
    let half = PANEL as f64 / 2.0;
    let scale = if extent > 0.0 { (PANEL as f64 - 8.0 * RADIUS) / extent } else { 0.0 };
    move |[x, y]| (half + scale * (x - (x0 + x1) / 2.0), half - scale * (y - (y0 + y1) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_differ_and_stand_out_from_white() {
        let distance =
            |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).map(|(a, b)| (*a as f64 - b as f64).powi(2)).sum::<f64>().sqrt();
        // Relative luminance, of WCAG 2.
        let linear = |v: u8| ((v as f64 / 255.0 + 0.055) / 1.055).powf(2.4);
        for (i, a) in COLOURS.iter().enumerate() {
            let luminance = 0.2126 * linear(a[0]) + 0.7152 * linear(a[1]) + 0.0722 * linear(a[2]);
            assert!(1.05 / (luminance + 0.05) > 2.2, "{a:?}");
            for b in &COLOURS[..i] {
                assert!(distance(*a, *b) > 60.0, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn points_fill_their_panel() {
        let place = fitted(&[[-1.0, 0.0], [3.0, 1.0]]);
        let ((x0, y0), (x1, y1)) = (place([-1.0, 0.0]), place([3.0, 1.0]));
        assert_eq!((x0, x1), (10.0, 630.0));
        assert!(y0 > y1 && y0 - y1 == 155.0);
        assert_eq!(fitted(&[[5.0, 5.0]])([5.0, 5.0]), (320.0, 320.0));
    }

    #[test]
    fn many_classes_and_none_are_drawn() {
        let map = Map {
            taken: (0..30).collect(),
            of: 30,
            tsne: (0..30).map(|i| [i as f64, (i * i % 7) as f64]).collect(),
            perplexity: 5.0,
            pca: vec![[0.0, 0.0]; 30],
            share: 0.5,
            seed: 0,
        };
        let classes: Vec<String> = (0..30).map(|i| format!("class {i}")).collect();
        let labels: Vec<u32> = (0..30).collect();
        let width = |png: &[u8]| image::load_from_memory(png).unwrap().width();
        let with = map.png("many", Some((&labels, &classes))).unwrap();
        let without = map.png("none", None).unwrap();
        assert_eq!(width(&with) - width(&without), LEGEND + MARGIN);
    }
}
