//! A small real set inside of the program, so that everything works without a download.

use super::{Dataset, Split};
use flate2::read::GzDecoder;
use std::io::Read;
use std::sync::Arc;

const PACKED: &[u8] = include_bytes!("embedded/fashion-mnist-7k.bin.gz");
const CLASSES: [&str; 10] = super::readers::FASHION_CLASSES;
const SIDE: usize = 28;
const TRAIN: usize = 6000;
const TEST: usize = 1000;

impl Dataset {
    /// The embedded set: of Fashion-MNIST the first 600 images of each class of the training part and the first 100 of
    /// each class of the test part, in the order of the published files. How it is stored is in
    /// `src/data/embedded/README.md`, its licence (MIT) beside it.
    pub fn embedded() -> Split {
        let mut bytes = Vec::new();
        GzDecoder::new(PACKED).read_to_end(&mut bytes).expect("the embedded set is part of the program");
        let (labels, rows) = bytes.split_at_mut(TRAIN + TEST);
        rows.chunks_exact_mut(SIDE * SIDE).for_each(unfilter);
        let part = |from: usize, n: usize| {
            Arc::new(Dataset {
                name: "Fashion-MNIST (embedded)".into(),
                images: rows[from * SIDE * SIDE..][..n * SIDE * SIDE].to_vec().into(),
                h: SIDE,
                w: SIDE,
                c: 1,
                labels: Some(labels[from..][..n].iter().map(|&l| l as u32).collect()),
                classes: CLASSES.map(String::from).to_vec(),
                origins: None,
            })
        };
        Split::new(part(0, TRAIN), part(TRAIN, TEST))
    }
}

/// Turns differences from the Paeth predictor back into pixels, in place. The predictor is that of PNG (W3C, "Portable
/// Network Graphics", 9.4); pixels outside of the image count as 0.
fn unfilter(image: &mut [u8]) {
    for y in 0..SIDE {
        for x in 0..SIDE {
            let at = |dy: usize, dx: usize| if y < dy || x < dx { 0 } else { image[(y - dy) * SIDE + x - dx] };
            let (left, up, corner) = (at(0, 1) as i32, at(1, 0) as i32, at(1, 1) as i32);
            let guess = left + up - corner;
            let nearest = [left, up, corner].into_iter().min_by_key(|v| (guess - v).abs()).unwrap_or(0);
            image[y * SIDE + x] = image[y * SIDE + x].wrapping_add(nearest as u8);
        }
    }
}
