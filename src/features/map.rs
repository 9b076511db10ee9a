//! A picture of features: principal components on the left, t-SNE (van der Maaten and Hinton 2008) on the right, coloured by
//! label. At most 5,000 points, evenly taken.

use super::{Pca, Rows};
use crate::error::{Error, Result};
use crate::files::write_atomic;
use crate::rng::{Philox, streams};
use bhtsne::tSNE;
use font8x8::UnicodeFonts;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;
use std::path::Path;

const MOST: usize = 5000;
/// Pixels of a panel's side, and around panels.
const SIDE: u32 = 640;
const MARGIN: u32 = 24;
/// Pixels of the legend's column, and of its lines.
const LEGEND: u32 = 220;
const LINE: u32 = 20;
/// t-SNE's usual settings.
const PERPLEXITY: f32 = 30.0;
const EPOCHS: usize = 500;
const THETA: f32 = 0.5;

/// Colours that are told apart on white.
#[rustfmt::skip]
const COLOURS: [[u8; 3]; 20] = [
    [31, 119, 180], [255, 127, 14], [44, 160, 44], [214, 39, 40], [148, 103, 189], [140, 86, 75], [227, 119, 194],
    [90, 90, 90], [170, 170, 20], [23, 190, 207], [20, 60, 110], [150, 75, 0], [0, 90, 50], [120, 0, 30], [90, 50, 140],
    [255, 170, 100], [120, 200, 120], [255, 140, 140], [170, 150, 210], [100, 220, 220],
];

/// Draws the map. Classes past the twentieth take the colours of the first ones again.
///
/// # Errors
/// If there are fewer than 5 features, or the file cannot be written.
pub fn draw_map(path: &Path, features: &Rows, labels: Option<&[u32]>, classes: &[String]) -> Result<()> {
    let n = features.n();
    if n < 5 {
        return Err(Error::Config(format!("a map wants at least 5 images, there are {n}")));
    }
    let shown: Vec<u32> = (0..n.min(MOST)).map(|i| (i * n / n.min(MOST)) as u32).collect();
    let some = features.select(&shown);
    let flat = Pca::fit(&some, 50)?.project(&some);
    let left: Vec<[f32; 2]> = flat.iter().map(|r| [r[0], r.get(1).copied().unwrap_or(0.0)]).collect();
    let right = neighbourhoods(&flat);
    let colour = |i: usize| labels.map_or(0, |l| l[shown[i] as usize] as usize % COLOURS.len());

    let names: &[String] = if labels.is_some() { classes } else { &[] };
    let legend = if names.is_empty() { 0 } else { LEGEND };
    let (width, height) = (2 * SIDE + 3 * MARGIN + legend, SIDE + 3 * MARGIN);
    let mut picture = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    for (i, (points, title)) in [(&left, "principal components"), (&right, "t-SNE")].into_iter().enumerate() {
        let x = MARGIN + i as u32 * (SIDE + MARGIN);
        text(&mut picture, x, MARGIN / 2, title, [0; 3]);
        panel(&mut picture, x, 2 * MARGIN, points, colour);
    }
    for (i, name) in names.iter().take(((SIDE / LINE) as usize).min(COLOURS.len())).enumerate() {
        let (x, y) = (2 * SIDE + 3 * MARGIN, 2 * MARGIN + LINE * i as u32);
        square(&mut picture, x as i64, y as i64, 8, COLOURS[i % COLOURS.len()]);
        text(&mut picture, x + 14, y, name, [0; 3]);
    }
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::data(path, format!("the picture cannot be written as PNG: {e}")))?;
    write_atomic(path, &bytes.into_inner())
}

/// t-SNE of rows, started from their first two components, made small.
fn neighbourhoods(rows: &Rows) -> Vec<[f32; 2]> {
    let points: Vec<&[f32]> = rows.iter().collect();
    let perplexity = PERPLEXITY.min((rows.n() as f32 - 1.0) / 3.1).max(1.0);
    let spread = rows.iter().map(|r| r[0] * r[0]).sum::<f32>() / rows.n() as f32;
    let scale = 1e-4 / spread.sqrt().max(1e-12);
    // Points that are alike must not lie on one another.
    let jitter = Philox::new(0, streams::CLUSTERS);
    let start = (0..rows.n()).flat_map(|i| [(i, 0), (i, 1)]).map(|(i, k)| {
        let along = rows.row(i).get(k).copied().unwrap_or(0.0);
        scale * along + 1e-6 * jitter.normal(1, (2 * i + k) as u64)
    });
    let mut search = tSNE::<f32, &[f32]>::new(&points);
    search.initial_embedding(start.collect::<Vec<f32>>()).perplexity(perplexity).epochs(EPOCHS);
    let metric = |a: &&[f32], b: &&[f32]| a.iter().zip(*b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    search.barnes_hut(THETA, metric);
    search.embedding().chunks(2).map(|p| [p[0], p[1]]).collect()
}

/// Points scaled to fill a panel, the first ones on top.
fn panel(picture: &mut RgbImage, x: u32, y: u32, points: &[[f32; 2]], colour: impl Fn(usize) -> usize) {
    let frame = [210; 3];
    for i in 0..=SIDE {
        for (px, py) in [(x + i, y), (x + i, y + SIDE), (x, y + i), (x + SIDE, y + i)] {
            picture.put_pixel(px, py, Rgb(frame));
        }
    }
    let range = |k: usize| {
        let (low, high) = points.iter().fold((f32::MAX, f32::MIN), |(l, h), p| (l.min(p[k]), h.max(p[k])));
        (low, (high - low).max(1e-12))
    };
    let ranges = [range(0), range(1)];
    let inner = (SIDE - 16) as f32;
    for (i, p) in points.iter().enumerate().rev() {
        let at = |k: usize| (8.0 + inner * (p[k] - ranges[k].0) / ranges[k].1) as i64;
        square(picture, x as i64 + at(0) - 1, y as i64 + SIDE as i64 - at(1) - 1, 3, COLOURS[colour(i)]);
    }
}

fn square(picture: &mut RgbImage, x: i64, y: i64, side: i64, colour: [u8; 3]) {
    for (dx, dy) in (0..side).flat_map(|dx| (0..side).map(move |dy| (dx, dy))) {
        let (px, py) = (x + dx, y + dy);
        if (0..picture.width() as i64).contains(&px) && (0..picture.height() as i64).contains(&py) {
            picture.put_pixel(px as u32, py as u32, Rgb(colour));
        }
    }
}

/// Letters of 8x8 pixels; what the font lacks is a question mark.
fn text(picture: &mut RgbImage, x: u32, y: u32, line: &str, colour: [u8; 3]) {
    for (i, c) in line.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(c).or_else(|| font8x8::LATIN_FONTS.get(c));
        let glyph = glyph.or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default();
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..8).filter(|b| bits >> b & 1 == 1) {
                square(picture, x as i64 + 8 * i as i64 + column, y as i64 + row as i64, 1, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three groups in eight dimensions.
    fn groups(n: usize) -> (Rows, Vec<u32>) {
        let p = Philox::new(7, 0);
        let row = |i: usize| (0..8).map(move |j| 8.0 * (j == i % 3) as u8 as f32 + p.normal(0, (8 * i + j) as u64));
        (Rows { data: (0..n).flat_map(row).collect(), d: 8 }, (0..n as u32).map(|i| i % 3).collect())
    }

    #[test]
    fn neighbours_stay_together() {
        let (x, labels) = groups(300);
        let at = neighbourhoods(&x);
        let far = |a: &[f32; 2], b: &[f32; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
        let alike = (0..300).filter(|&i| {
            let nearest =
                (0..300).filter(|j| *j != i).min_by(|a, b| far(&at[i], &at[*a]).total_cmp(&far(&at[i], &at[*b])));
            labels[nearest.unwrap()] == labels[i]
        });
        assert!(alike.count() > 285);
    }

    #[test]
    fn the_picture_has_every_class() {
        let (x, labels) = groups(60);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        let names = ["one", "two", "three"].map(String::from);
        draw_map(&path, &x, Some(&labels), &names).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        for colour in &COLOURS[..3] {
            // Points and the legend.
            assert!(picture.pixels().filter(|p| p.0 == *colour).count() > 64);
        }
        draw_map(&path, &x, None, &names).unwrap();
        let few = Rows { data: vec![0.0; 8], d: 2 };
        assert!(draw_map(&path, &few, None, &names).unwrap_err().to_string().contains("there are 4"));
    }
}
