//! Mean and standard deviation of pixels, for normalisation.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of each channel, of pixels scaled to 0..1.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

impl Stats {
    /// The statistics that are customary for a named set ("CIFAR-10", "mnist", "Fashion-MNIST (embedded)"), so that
    /// results compare with published ones. Those of the whole training parts; for ImageNet torchvision's.
    pub fn known(name: &str) -> Option<Stats> {
        let key: String = name.split('(').next()?.chars().filter(|c| c.is_alphanumeric()).collect();
        let (mean, std): (&[f32], &[f32]) = match key.to_lowercase().as_str() {
            "mnist" => (&[0.1307], &[0.3081]),
            "fashionmnist" => (&[0.2860], &[0.3530]),
            "cifar10" => (&[0.4914, 0.4822, 0.4465], &[0.2470, 0.2435, 0.2616]),
            "cifar100" => (&[0.5071, 0.4865, 0.4409], &[0.2673, 0.2564, 0.2762]),
            "imagenet" => (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
            _ => return None,
        };
        Some(Stats { mean: mean.to_vec(), std: std.to_vec() })
    }

    /// What leaves pixels of `c` channels as they are: mean 0 and deviation 1.
    pub fn neutral(c: usize) -> Stats {
        Stats { mean: vec![0.0; c], std: vec![1.0; c] }
    }

    /// Statistics of interleaved pixels with `c` channels. The sums are of integers, so they are exact and do not
    /// depend on the number of threads. A channel that never changes gets the standard deviation 1, so that
    /// normalising by it is defined; without pixels mean 0 and deviation 1.
    pub fn of(pixels: &[u8], c: usize) -> Stats {
        let sums =
            pixels.par_chunks(c.max(1) << 16).map(|chunk| Sums::of(chunk, c)).reduce(|| Sums::zero(c), Sums::plus);
        sums.stats()
    }
}

/// Exact sums over pixels, by which statistics of any of them can be put together.
pub(super) struct Sums {
    pixels: u64,
    /// Sum and sum of squares of each channel.
    channels: Vec<(u64, u64)>,
}

impl Sums {
    pub fn zero(c: usize) -> Sums {
        Sums { pixels: 0, channels: vec![(0, 0); c] }
    }

    /// Over interleaved pixels with `c` channels.
    pub fn of(pixels: &[u8], c: usize) -> Sums {
        let mut sums = Sums::zero(c);
        for pixel in pixels.chunks_exact(c.max(1)) {
            sums.pixels += 1;
            for (s, &v) in sums.channels.iter_mut().zip(pixel) {
                *s = (s.0 + v as u64, s.1 + v as u64 * v as u64);
            }
        }
        sums
    }

    pub fn plus(self, other: Sums) -> Sums {
        let both = self.channels.iter().zip(&other.channels);
        let channels = both.map(|(x, y)| (x.0 + y.0, x.1 + y.1)).collect();
        Sums { pixels: self.pixels + other.pixels, channels }
    }

    pub fn stats(&self) -> Stats {
        let n = self.pixels.max(1) as f64;
        let of = |&(sum, squares): &(u64, u64)| {
            let mean = sum as f64 / n;
            let deviation = (squares as f64 / n - mean * mean).max(0.0).sqrt() / 255.0;
            ((mean / 255.0) as f32, if deviation > 1e-6 { deviation as f32 } else { 1.0 })
        };
        let (mean, std) = self.channels.iter().map(of).unzip();
        Stats { mean, std }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_from_the_definition() {
        // Channel 0: 0, 255, 0, 255: mean 1/2, deviation 1/2. Channel 1 is constant.
        let s = Stats::of(&[0, 51, 255, 51, 0, 51, 255, 51], 2);
        assert_eq!(s.mean, [0.5, 0.2]);
        assert_eq!(s.std, [0.5, 1.0]);
        assert_eq!(Stats::of(&[], 1), Stats { mean: vec![0.0], std: vec![1.0] });
    }

    #[test]
    fn many_chunks_equal_one_sum() {
        let pixels: Vec<u8> = (0..3u64 * 500_000).map(|i| (i * i % 251) as u8).collect();
        let s = Stats::of(&pixels, 3);
        for ch in 0..3 {
            let x: Vec<f64> = pixels.iter().skip(ch).step_by(3).map(|&v| v as f64 / 255.0).collect();
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
            assert!((s.mean[ch] as f64 - mean).abs() < 1e-6 && (s.std[ch] as f64 - var.sqrt()).abs() < 1e-6);
        }
    }

    #[test]
    fn known_sets_are_found_by_any_spelling() {
        assert_eq!(Stats::known("Fashion-MNIST (embedded)"), Stats::known("fashion_mnist"));
        assert_eq!(Stats::known("CIFAR-10").unwrap().mean.len(), 3);
        assert_eq!(Stats::known("my photos"), None);
    }
}
