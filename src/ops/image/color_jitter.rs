//! Brightness, contrast, saturation and hue in each image's own order, then grey.

use super::color::Jitter;
use super::color_reference::Adjustments;
use super::{batch, columns};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::tensor::RefTensor;
use rayon::prelude::*;

/// `x [n, h, w, c]` in 0..1, `params [n, 64]` -> the same shape, for 1 or 3 channels (with 1, saturation
/// and hue change nothing). torchvision's `adjust_brightness`, `adjust_contrast` (towards the image's mean
/// luma), `adjust_saturation` (towards the pixel's luma) and `adjust_hue` (in HSV), each clamped to 0..1.
///
/// On a GPU three dispatches: luma sums of chunks as they are when the contrast's turn comes, their
/// fixed-order sum, and all adjustments at once.
#[derive(Clone, Debug)]
pub struct ColorJitter {
    /// Do the four adjustments.
    pub jitter: bool,
    /// Obey the grey flag.
    pub gray: bool,
}

/// Pixels of an image that are summed together for its mean.
const CHUNK: usize = 64;

impl Op for ColorJitter {
    fn name(&self) -> &'static str {
        if self.jitter { "color_jitter" } else { "grayscale" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [.., c] = batch(self.name(), inputs)?;
        if c != 1 && c != 3 {
            return Err(Error::shape(self.name(), format!("wants 1 or 3 channels, got {}", inputs[0])));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let (c, each) = (x.shape[3], x.shape[1..].iter().product::<usize>());
        let mut data = x.data.clone();
        for (image, row) in data.chunks_exact_mut(each).zip(inputs[1].data.chunks_exact(columns::COUNT)) {
            Adjustments::new(row, self.jitter, self.gray).apply(image, c);
        }
        vec![RefTensor::f32(outputs[0].shape.clone(), data)]
    }

    /// See `Adjustments::bound` in color_reference.rs; a mean is a sum of at most a chunk, then of the chunks.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let shape = &inputs[0].shape;
        let terms = (CHUNK + (shape[1] * shape[2]).div_ceil(CHUNK)) as f64;
        let each = shape[1..].iter().product::<usize>();
        let rows = inputs[1].data.chunks_exact(columns::COUNT);
        let of = |row: &[f64]| Adjustments::new(row, self.jitter, self.gray).bound(EPS, terms);
        vec![rows.flat_map(|row| vec![of(row); each]).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let shape = io.meta(0).shape.clone();
        let (c, pixels) = (shape[3], shape[1] * shape[2]);
        let (x, params) = (io.f32(0), io.f32(1));
        let images = io.out(0).par_chunks_mut((pixels * c).max(1)).zip(x.par_chunks((pixels * c).max(1)));
        images.zip(params.par_chunks(columns::COUNT)).for_each(|((y, x), row)| {
            let jitter = Jitter::of(row, self.jitter, self.gray);
            let chunk = |chunk: &[f32]| {
                chunk.chunks_exact(c).fold(0.0, |sum, p| {
                    let mut own = [0.0; 3];
                    own[..c].copy_from_slice(p);
                    sum + jitter.luma_before_contrast(&mut own[..c])
                })
            };
            let mean = match jitter.needs_mean() {
                true => x.chunks(CHUNK * c).map(chunk).sum::<f32>() / pixels as f32,
                false => 0.0,
            };
            y.copy_from_slice(x);
            y.chunks_exact_mut(c).for_each(|p| jitter.apply(p, mean));
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let [n, h, w, c] = batch(self.name(), cx.inputs)?;
        let (pixels, chunks) = (h * w, (h * w).div_ceil(CHUNK));
        let apply = Launch {
            shader: "image/color_jitter",
            defines: columns::DEFINES.to_vec(),
            constants: vec![
                ("COUNT", (n * pixels) as f64),
                ("PIXELS", pixels as f64),
                ("C", c as f64),
                ("JITTER", self.jitter as u8 as f64),
                ("GRAYSCALE", self.gray as u8 as f64),
            ],
            workgroups: fold_groups((n * pixels).div_ceil(64)),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(0), Operand::Out(0)],
        };
        if !self.jitter {
            // Without contrast no mean is read.
            return Ok(Lowering { temps: vec![n], launches: vec![apply] });
        }
        let partial = Launch {
            shader: "image/color_jitter_mean",
            defines: columns::DEFINES.to_vec(),
            constants: vec![
                ("COUNT", (n * chunks) as f64),
                ("PIXELS", pixels as f64),
                ("C", c as f64),
                ("CHUNK", CHUNK as f64),
                ("CHUNKS", chunks as f64),
            ],
            workgroups: fold_groups((n * chunks).div_ceil(64)),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(1)],
        };
        let sum = Launch::each(
            n,
            "reduce/reduce",
            vec![
                ("KIND", 0.0),
                ("OUTER", n as f64),
                ("R", chunks as f64),
                ("INNER", 1.0),
                ("CHUNK", chunks as f64),
                ("CHUNKS", 1.0),
            ],
            vec![Operand::Temp(1), Operand::Temp(0)],
        );
        Ok(Lowering { temps: vec![n, n * chunks], launches: vec![partial, sum, apply] })
    }
}

impl Graph {
    /// Brightness, contrast, saturation and hue of each image as its parameters say.
    pub fn color_jitter(&mut self, x: Value, params: Value) -> Result<Value> {
        self.apply1(ColorJitter { jitter: true, gray: false }, &[x, params])
    }

    /// Luma instead of colours, where the parameters say so; the number of channels stays.
    pub fn grayscale(&mut self, x: Value, params: Value) -> Result<Value> {
        self.apply1(ColorJitter { jitter: false, gray: true }, &[x, params])
    }
}
