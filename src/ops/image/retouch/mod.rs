//! What RandAugment and its kind do to an image, one retouch after the other; random rotation is one, too.

mod pixels;
mod reference;

use super::{batch, columns};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::tensor::RefTensor;
use columns::retouches;
use pixels::Retoucher;
use rayon::prelude::*;

/// `x [n, h, w, c]` in 0..1, parameters -> the same shape: what the parameters' slot says of each image. The formulas are
/// those of torchvision's `transforms.v2.functional` for float images (affine, adjust_brightness, adjust_saturation,
/// adjust_contrast, adjust_sharpness, posterize, solarize, autocontrast, equalize), the luma is that of Rec. 601.
///
/// On a GPU two dispatches: what must be known of a whole image, and the retouch.
#[derive(Clone, Debug)]
pub struct Retouch {
    /// Which slot of the parameters, below [`columns::SLOTS`].
    pub slot: usize,
    /// Whether colours may change; if not, only [`retouches::WARP`] is done, to images of any number of channels.
    pub colours: bool,
    /// Whether a warped pixel is blended of its four neighbours; else it is the nearest one.
    pub bilinear: bool,
    /// What lies beyond the image, in 0..1.
    pub fill: f32,
}

/// Numbers that are known of a whole image: mean luma, three least and three greatest, three tables of 256.
const STATISTICS: usize = 7 + 3 * 256;

/// The channel's level among 256, of a number in 0..1 (torchvision's conversion of floats to bytes).
const LEVELS: f32 = 255.999;

impl Op for Retouch {
    fn name(&self) -> &'static str {
        "retouch"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [.., c] = batch("retouch", inputs)?;
        if self.colours && c != 1 && c != 3 {
            return Err(Error::shape("retouch", format!("wants 1 or 3 channels, got {}", inputs[0])));
        }
        if self.slot >= columns::SLOTS {
            let m = format!("there is no slot {}: parameters have {}", self.slot, columns::SLOTS);
            return Err(Error::shape("retouch", m));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let images = x.data.chunks_exact(x.shape[1..].iter().product());
        let rows = inputs[1].data.chunks_exact(columns::COUNT);
        let data = images.zip(rows).flat_map(|(image, row)| self.picture(image, &x.shape, row).retouched());
        vec![RefTensor::f32(outputs[0].shape.clone(), data.collect())]
    }

    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let x = inputs[0];
        let images = x.data.chunks_exact(x.shape[1..].iter().product());
        let rows = inputs[1].data.chunks_exact(columns::COUNT);
        vec![images.zip(rows).flat_map(|(image, row)| self.picture(image, &x.shape, row).bound()).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let shape = io.meta(0).shape.clone();
        let [h, w, c] = [shape[1], shape[2], shape[3]];
        let (x, params) = (io.f32(0), io.f32(1));
        let images = io.out(0).par_chunks_mut((h * w * c).max(1)).zip(x.par_chunks((h * w * c).max(1)));
        images.zip(params.par_chunks(columns::COUNT)).for_each(|((y, x), row)| {
            Retoucher { op: self, extents: [h, w, c], slot: &row[columns::slot(self.slot)..][..columns::SLOT_COLUMNS] }
                .apply(x, y);
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let [n, h, w, c] = batch("retouch", cx.inputs)?;
        let defines = [columns::DEFINES, retouches::DEFINES, &[("STATISTICS", STATISTICS as u32)]].concat();
        let slot = columns::slot(self.slot) as f64;
        let know = Launch {
            shader: "image/retouch_statistics",
            defines: defines.clone(),
            constants: vec![("IMAGES", n as f64), ("PIXELS", (h * w) as f64), ("C", c as f64), ("SLOT", slot)],
            workgroups: fold_groups(n),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(0)],
        };
        let retouch = Launch {
            shader: "image/retouch",
            defines,
            constants: vec![
                ("COUNT", (n * h * w) as f64),
                ("H", h as f64),
                ("W", w as f64),
                ("C", c as f64),
                ("SLOT", slot),
                ("BILINEAR", self.bilinear as u8 as f64),
                ("FILL", self.fill as f64),
            ],
            workgroups: fold_groups((n * h * w).div_ceil(64)),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(0), Operand::Out(0)],
        };
        // Without colours nothing is read of them.
        Ok(match self.colours {
            true => Lowering { temps: vec![n * STATISTICS], launches: vec![know, retouch] },
            false => Lowering { temps: vec![STATISTICS], launches: vec![retouch] },
        })
    }
}

impl Graph {
    /// Does to every image what a slot of its parameters says.
    pub fn retouch(&mut self, x: Value, params: Value, how: Retouch) -> Result<Value> {
        self.apply1(how, &[x, params])
    }
}
