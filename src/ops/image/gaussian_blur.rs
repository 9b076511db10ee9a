//! Gaussian blur, each image with its own standard deviation.

use super::{batch, columns};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::tensor::RefTensor;
use rayon::prelude::*;

/// torchvision's `gaussian_blur`: a kernel of 2 radius + 1 taps `exp(-d² / (2 sigma²))` that add up to 1,
/// along rows, then along columns; beyond the edge the picture is mirrored without repeating the edge.
/// sigma 0 leaves an image as it is. On a GPU two dispatches.
#[derive(Clone, Debug)]
pub struct GaussianBlur {
    /// Taps on each side, the same for all images; less than the height and the width.
    pub radius: usize,
}

/// Index `i + d` mirrored into 0..n.
fn mirrored(i: usize, d: isize, n: usize) -> usize {
    let at = (i as isize + d).unsigned_abs();
    if at < n { at } else { 2 * (n - 1) - at }
}

/// Weights of the taps -radius..=radius.
fn weights(radius: usize, sigma: f64) -> Vec<f32> {
    let r = radius as isize;
    let w: Vec<f64> = (-r..=r).map(|d| libm::exp(-((d * d) as f64) / (2.0 * sigma * sigma))).collect();
    let sum: f64 = w.iter().sum();
    w.iter().map(|w| (w / sum) as f32).collect()
}

impl Op for GaussianBlur {
    fn name(&self) -> &'static str {
        "gaussian_blur"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [_, h, w, _] = batch("gaussian_blur", inputs)?;
        if self.radius == 0 || self.radius >= h.min(w) {
            let m = format!(
                "a radius of {} does not fit {}: give 1 to {}",
                self.radius,
                inputs[0],
                h.min(w).saturating_sub(1)
            );
            return Err(Error::shape("gaussian_blur", m));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let (h, w, c) = (x.shape[1], x.shape[2], x.shape[3]);
        let r = self.radius as isize;
        // The picture goes on beyond its edge as a ball that bounces between the first and the last pixel.
        let bounced = |i: isize, n: usize| {
            let there_and_back = 2 * (n as isize - 1);
            let at = i.rem_euclid(there_and_back);
            at.min(there_and_back - at) as usize
        };
        let mut data = x.data.clone();
        for (image, row) in data.chunks_exact_mut(h * w * c).zip(inputs[1].data.chunks_exact(columns::COUNT)) {
            let sigma = row[columns::BLUR];
            if sigma <= 0.0 {
                continue;
            }
            let density = |d: isize| libm::exp(-0.5 * (d as f64 / sigma).powi(2));
            let all: f64 = (-r..=r).map(density).sum();
            let from = image.to_vec();
            for (i, out) in image.iter_mut().enumerate() {
                let (y, xx, ch) = (i / c / w, i / c % w, i % c);
                *out = 0.0;
                for dy in -r..=r {
                    for dx in -r..=r {
                        let at = (bounced(y as isize + dy, h) * w + bounced(xx as isize + dx, w)) * c + ch;
                        *out += density(dy) * density(dx) / all.powi(2) * from[at];
                    }
                }
            }
        }
        vec![RefTensor::f32(outputs[0].shape.clone(), data)]
    }

    /// Two weighted means of k = 2 radius + 1 numbers. WGSL's exp(-t) is off by 3 + 2 t ULP, which
    /// exp(-t) itself keeps under 4 of the largest weight's; each tap and the sum of weights round too.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let taps = (2 * self.radius + 1) as f64;
        let each = inputs[0].shape[1..].iter().product::<usize>();
        let of = |image: &[f64]| 24.0 * taps * EPS * image.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        vec![inputs[0].data.chunks_exact(each).flat_map(|image| vec![of(image); each]).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let shape = io.meta(0).shape.clone();
        let (h, w, c) = (shape[1], shape[2], shape[3]);
        let r = self.radius as isize;
        let (x, params) = (io.f32(0), io.f32(1));
        let images = io.out(0).par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c));
        images.zip(params.par_chunks(columns::COUNT)).for_each_init(
            Vec::new,
            |across: &mut Vec<f32>, ((y, x), row)| {
                y.copy_from_slice(x);
                let sigma = row[columns::BLUR];
                if sigma <= 0.0 {
                    return;
                }
                let taps = weights(self.radius, sigma as f64);
                across.clear();
                across.resize(h * w * c, 0.0);
                for (line, x) in across.chunks_exact_mut(w * c).zip(x.chunks_exact(w * c)) {
                    for (column, out) in line.chunks_exact_mut(c).enumerate() {
                        for (d, &t) in (-r..=r).zip(&taps) {
                            let from = &x[mirrored(column, d, w) * c..][..c];
                            out.iter_mut().zip(from).for_each(|(o, v)| *o += t * v);
                        }
                    }
                }
                for (line, y) in y.chunks_exact_mut(w * c).enumerate() {
                    y.fill(0.0);
                    for (d, &t) in (-r..=r).zip(&taps) {
                        let from = &across[mirrored(line, d, h) * w * c..][..w * c];
                        y.iter_mut().zip(from).for_each(|(o, v)| *o += t * v);
                    }
                }
            },
        );
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let [n, h, w, c] = batch("gaussian_blur", cx.inputs)?;
        let count = n * h * w * c;
        // Seen along the blurred axis the batch is [n, outer, extent, inner].
        let pass = |extent: usize, inner: usize, from: Operand, to: Operand| Launch {
            shader: "image/gaussian_blur",
            defines: columns::DEFINES.to_vec(),
            constants: [
                ("COUNT", count),
                ("IMAGE", h * w * c),
                ("EXTENT", extent),
                ("INNER", inner),
                ("RADIUS", self.radius),
            ]
            .map(|(n, v)| (n, v as f64))
            .to_vec(),
            workgroups: fold_groups(count.div_ceil(64)),
            operands: vec![from, Operand::In(1), to],
        };
        Ok(Lowering {
            temps: vec![count],
            launches: vec![
                pass(w, c, Operand::In(0), Operand::Temp(0)),
                pass(h, w * c, Operand::Temp(0), Operand::Out(0)),
            ],
        })
    }
}

impl Graph {
    /// Gaussian blur with the standard deviations of `params`, `radius` taps on each side.
    pub fn gaussian_blur(&mut self, x: Value, params: Value, radius: usize) -> Result<Value> {
        self.apply1(GaussianBlur { radius }, &[x, params])
    }
}
