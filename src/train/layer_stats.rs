//! What the latent weights of binary layers look like after an epoch: which bits they give, how the magnitudes are
//! distributed, and how close bits come to them. Computed on the host in f64 (SiMaN, sections 2.1 and 2.2).

use super::programs::Runner;
use crate::error::Result;
use crate::nn::Binarization;
use crate::tensor::HostTensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Of one binary layer. Numbers of filters are averaged over its filters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerStats {
    /// Path of the layer.
    pub name: String,
    /// Weights.
    pub weights: usize,
    /// Share of bits that are 1.
    pub ones: f64,
    /// Share of bits that are not what they were an epoch ago; `null` where that is not known.
    pub flip_rate: Option<f64>,
    /// Entropy of a bit, by the share of ones of each filter.
    pub entropy: f64,
    /// Fourth moment of a filter brought to mean 0 and variance 1: 3 for a Gaussian, 6 for a Laplacian, 1 for two points.
    pub kurtosis: f64,
    /// Sarle's coefficient (skewness² + 1) / kurtosis: 1 for two points, 1/3 for a Gaussian, 1/6 for a Laplacian.
    pub bimodality: f64,
    /// k*/n: the share of the largest magnitudes that a filter's bits should mark to be closest to its magnitudes.
    pub best_share: f64,
    /// Cosine of those bits (0 and 1) with the magnitudes.
    pub cos_best: f64,
    /// Cosine of the bits that mark the larger half.
    pub cos_median: f64,
    /// Cosine of the signs with the filter itself.
    pub cos_sign: f64,
    /// Mean magnitude of the latent weights.
    pub mean_magnitude: f64,
    /// Mean of RBCN's scale matrix.
    pub matrix: Option<f64>,
}

/// The bits of an epoch ago, by layer.
#[derive(Debug, Default)]
pub struct Before(HashMap<String, Vec<bool>>);

/// The statistics of all binary layers; remembers their bits for the next time.
pub fn layer_stats(runner: &mut Runner, spec: &Binarization, before: &mut Before) -> Result<Vec<LayerStats>> {
    let mut all = Vec::new();
    for weight in runner.binary_weights() {
        let name = weight.trim_end_matches(".weight").to_string();
        let store = runner.store();
        let w = store.read(&weight)?;
        let read = |leaf: &str| -> Result<Option<HostTensor>> {
            let leaf = format!("{name}.{leaf}");
            if store.meta(&leaf).is_some() { store.read(&leaf).map(Some) } else { Ok(None) }
        };
        let bits = match read("bits")? {
            Some(stored) => stored.to_f64().into_iter().map(|b| b > 0.5).collect(),
            None => spec.signs(&w),
        };
        let matrix = read("matrix")?.map(|m| m.f32s().iter().map(|x| *x as f64).sum::<f64>() / m.f32s().len() as f64);
        all.push(stats(name, &w, bits, matrix, before));
    }
    Ok(all)
}

fn stats(name: String, w: &HostTensor, bits: Vec<bool>, matrix: Option<f64>, before: &mut Before) -> LayerStats {
    let filters = w.shape()[0];
    let n = w.f32s().len() / filters;
    let rows: Vec<Filter> =
        w.f32s().par_chunks(n).zip(bits.par_chunks(n)).map(|(w, bits)| Filter::of(w, bits)).collect();
    let mean = |f: fn(&Filter) -> f64| rows.iter().map(f).sum::<f64>() / filters as f64;
    let flips = |old: &Vec<bool>| old.iter().zip(&bits).filter(|(a, b)| a != b).count();
    let flip_rate = before.0.get(&name).map(|old| flips(old) as f64 / bits.len() as f64);
    let stats = LayerStats {
        weights: bits.len(),
        ones: mean(|f| f.ones),
        flip_rate,
        entropy: mean(|f| entropy(f.ones)),
        kurtosis: mean(|f| f.kurtosis),
        bimodality: mean(|f| f.bimodality),
        best_share: mean(|f| f.best_share),
        cos_best: mean(|f| f.cos_best),
        cos_median: mean(|f| f.cos_median),
        cos_sign: mean(|f| f.cos_sign),
        mean_magnitude: w.f32s().iter().map(|x| x.abs() as f64).sum::<f64>() / bits.len() as f64,
        matrix,
        name: name.clone(),
    };
    before.0.insert(name, bits);
    stats
}

/// Entropy of a bit that is 1 with probability `p`.
pub fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    term(p) + term(1.0 - p)
}

/// The numbers of one filter.
struct Filter {
    ones: f64,
    kurtosis: f64,
    bimodality: f64,
    best_share: f64,
    cos_best: f64,
    cos_median: f64,
    cos_sign: f64,
}

impl Filter {
    fn of(w: &[f32], bits: &[bool]) -> Filter {
        let n = w.len() as f64;
        let mean = w.iter().map(|x| *x as f64).sum::<f64>() / n;
        let centred: Vec<f64> = w.iter().map(|x| *x as f64 - mean).collect();
        let moment = |p: i32| centred.iter().map(|x| x.powi(p)).sum::<f64>() / n;
        // A filter of equal weights has no shape: nothing is divided by its variance of 0.
        let variance = moment(2).max(f64::MIN_POSITIVE);
        let kurtosis = moment(4) / variance.powi(2);
        let skewness = moment(3) / variance.powf(1.5);
        let mut m: Vec<f64> = centred.iter().map(|x| x.abs()).collect();
        m.sort_unstable_by(|a, b| b.total_cmp(a));
        let norm = (variance * n).sqrt();
        let best = best_cut(&m);
        let sum_of = |k: usize| m[..k].iter().sum::<f64>();
        let half = m.iter().filter(|x| **x > m[m.len() - m.len().div_ceil(2)]).count();
        let cos = |k: usize| if k == 0 { 0.0 } else { sum_of(k) / ((k as f64).sqrt() * norm) };
        Filter {
            ones: bits.iter().filter(|b| **b).count() as f64 / n,
            kurtosis,
            bimodality: if kurtosis > 0.0 { (skewness.powi(2) + 1.0) / kurtosis } else { 0.0 },
            best_share: best as f64 / n,
            cos_best: cos(best),
            cos_median: cos(half),
            cos_sign: sum_of(m.len()) / (n.sqrt() * norm),
        }
    }
}

/// k*: how many of the magnitudes `m`, in descending order, bring 0 and 1 closest to them by the cosine; all if they are 0.
pub fn best_cut(m: &[f64]) -> usize {
    let mut best = (0.0, m.len());
    let mut sum = 0.0;
    for (i, x) in m.iter().enumerate() {
        sum += x;
        let score = sum / ((i + 1) as f64).sqrt();
        if score > best.0 {
            best = (score, i + 1);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_vector_of_the_specification() {
        let w = [0.9f32, -0.9, 0.1, -0.1];
        let f = Filter::of(&w, &[true, false, true, false]);
        // Two of four: 1.8 / sqrt(2) against 2 / sqrt(4) of the norm sqrt(1.64).
        assert!((f.cos_best - 1.8 / (2f64.sqrt() * 1.64f64.sqrt())).abs() < 1e-6 && f.best_share == 0.5);
        assert!((f.cos_sign - 2.0 / (2.0 * 1.64f64.sqrt())).abs() < 1e-6);
        assert_eq!((f.ones, entropy(0.5), entropy(1.0)), (0.5, 1.0, 0.0));
        assert_eq!(best_cut(&[1.0, 0.4, 0.4]), 3);
        assert_eq!(best_cut(&[0.9, 0.7, 0.5, 0.4, 0.3, 0.1, 0.05, 0.02]), 5);
        assert_eq!(best_cut(&[0.0, 0.0]), 2);
    }

    #[test]
    fn two_points_are_bimodal() {
        let w: Vec<f32> = (0..64).map(|i| if i % 2 == 0 { 0.1 } else { -0.1 }).collect();
        let f = Filter::of(&w, &[true; 64]);
        assert!((f.kurtosis - 1.0).abs() < 1e-6 && (f.bimodality - 1.0).abs() < 1e-6);
    }
}
