//! Convolution of packed bits, and its two gradients, which read one packed operand.
//!
//! Activations are {-1,+1}. Weights are {-1,+1} (`dot = n - 2 popcount(a ^ w)`) or {0,1}
//! (`dot = 2 popcount(a & w) - popcount(w)`), n counting the taps inside the image: exact zero
//! padding. The result is an integer of at most kh kw c, exact in 16 bits up to 32,767.
//! Gradients are those of a float convolution at (x_b, w_b); what lies before the sign is the
//! straight-through estimator's business. Source: XNOR-Net section 3; specification of the binary
//! layers, sections 4 and 5.

use super::conv2d::dot_bound;
use super::{forward, input_grad, shapes, weight_grad};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels;
use crate::launch::{Conv, Lowering, Pass, Variants};
use crate::ops::inputs::{exactly, same};
use crate::tensor::bits::WeightCode;
use crate::tensor::{Conv2dGeometry, DType, RefTensor, Shape, Windows};

/// Convolution of bits with bits.
#[derive(Clone, Debug)]
pub struct XnorConv2d {
    /// Where its windows lie; what is padded, no tap sees. One group.
    pub windows: Windows,
    /// What a weight bit stands for.
    pub code: WeightCode,
}

/// d loss / d x_b, from dy and the packed weights.
#[derive(Clone, Debug)]
pub struct XnorConv2dInputGrad {
    /// The convolution.
    pub geometry: Conv2dGeometry,
    /// What a weight bit stands for.
    pub code: WeightCode,
}

/// d loss / d w_b, from dy and the packed activations.
#[derive(Clone, Debug)]
pub struct XnorConv2dWeightGrad {
    /// The convolution.
    pub geometry: Conv2dGeometry,
}

fn one_group(op: &'static str, g: &Conv2dGeometry) -> Result<()> {
    match g.groups {
        1 => Ok(()),
        groups => Err(Error::shape(op, format!("takes no groups, got {groups}"))),
    }
}

/// As [`shapes`]; bits have no groups.
fn of_one_group(op: &'static str, g: &Conv2dGeometry) -> Result<[[usize; 4]; 3]> {
    one_group(op, g)?;
    shapes(op, g)
}

/// The numbers that weight bits stand for.
fn weights(code: WeightCode, w: &RefTensor) -> RefTensor {
    match code {
        WeightCode::PlusMinus => w.signed(),
        WeightCode::ZeroOne => w.clone(),
    }
}

impl XnorConv2d {
    fn geometry(&self, x: &Shape, w: &Shape) -> Result<Conv2dGeometry> {
        let g = Conv2dGeometry::of("xnor_conv2d", x, w, self.windows)?;
        one_group("xnor_conv2d", &g)?;
        let n = g.kh * g.kw * g.c;
        if n > i16::MAX as usize {
            return Err(Error::shape("xnor_conv2d", format!("a sum of {n} products does not fit 16 bits")));
        }
        Ok(g)
    }
}

impl Op for XnorConv2d {
    fn name(&self) -> &'static str {
        "xnor_conv2d"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, w] = exactly("xnor_conv2d", inputs)?;
        if [x.dtype, w.dtype] != [DType::Bits; 2] {
            return Err(Error::shape("xnor_conv2d", format!("wants bits, got {x} and {w}")));
        }
        let g = self.geometry(&x.shape, &w.shape)?;
        Ok(vec![Meta::new([g.n, g.oh, g.ow, g.o], DType::I16)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None, None]) };
        let geometry = self.geometry(g.shape(x[0]), g.shape(x[1]))?;
        Ok(vec![
            Some(g.apply1(XnorConv2dInputGrad { geometry, code: self.code }, &[dy, x[1]])?),
            Some(g.apply1(XnorConv2dWeightGrad { geometry }, &[dy, x[0]])?),
        ])
    }

    fn bits_are(&self, input: usize) -> WeightCode {
        if input == 1 { self.code } else { WeightCode::PlusMinus }
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let g = self.geometry(&inputs[0].shape, &inputs[1].shape).expect("checked by infer");
        let y = forward(&g, &inputs[0].signed(), &weights(self.code, inputs[1]));
        vec![RefTensor::new(outputs[0].shape.clone(), DType::I16, y)]
    }

    /// Integers: exact.
    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let g = self.geometry(&io.meta(0).shape, &io.meta(1).shape)?;
        let (x, w) = (io.words(0), io.words(1));
        kernels::xnor_conv2d_forward(io.isa(), &g, self.code, x, w, io.out_words(0));
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let g = self.geometry(&inputs[0].shape, &inputs[1].shape).expect("checked by infer");
        (2.0 * g.macs() as f64, true)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let g = self.geometry(&cx.inputs[0].shape, &cx.inputs[1].shape)?;
        Ok(Conv { geometry: &g, pass: Pass::Forward, bits: Some(self.code) }.lower(cx.target))
    }

    fn variants(&self, cx: &LowerCx<'_>) -> Option<Variants> {
        let g = self.geometry(&cx.inputs[0].shape, &cx.inputs[1].shape).ok()?;
        Some(Conv { geometry: &g, pass: Pass::Forward, bits: Some(self.code) }.variants(cx.target))
    }
}

impl Op for XnorConv2dInputGrad {
    fn name(&self) -> &'static str {
        "xnor_conv2d_input_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, w, y] = of_one_group("xnor_conv2d_input_grad", &self.geometry)?;
        same("xnor_conv2d_input_grad", inputs, &[Meta::f32(y), Meta::new(w, DType::Bits)])?;
        Ok(vec![Meta::f32(x)])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _d: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("second derivatives through xnor_conv2d are not defined".to_string()))
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let dx = input_grad(&self.geometry, inputs[0], &weights(self.code, inputs[1]));
        vec![RefTensor::f32(outputs[0].shape.clone(), dx)]
    }

    /// At most kh kw o terms ±dy meet in an input element.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let g = &self.geometry;
        dot_bound(g.kh * g.kw * g.o, input_grad(g, &inputs[0].abs(), &weights(self.code, inputs[1]).abs()))
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (dy, w) = (io.f32(0), io.words(1));
        kernels::xnor_conv2d_input_grad(io.isa(), &self.geometry, self.code, dy, w, io.out(0));
        Ok(())
    }

    fn operations(&self, _inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        (2.0 * self.geometry.macs() as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        Ok(Conv { geometry: &self.geometry, pass: Pass::InputGrad, bits: Some(self.code) }.lower(cx.target))
    }

    fn variants(&self, cx: &LowerCx<'_>) -> Option<Variants> {
        Some(Conv { geometry: &self.geometry, pass: Pass::InputGrad, bits: Some(self.code) }.variants(cx.target))
    }
}

impl Op for XnorConv2dWeightGrad {
    fn name(&self) -> &'static str {
        "xnor_conv2d_weight_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, w, y] = of_one_group("xnor_conv2d_weight_grad", &self.geometry)?;
        same("xnor_conv2d_weight_grad", inputs, &[Meta::f32(y), Meta::new(x, DType::Bits)])?;
        Ok(vec![Meta::f32(w)])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _d: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("second derivatives through xnor_conv2d are not defined".to_string()))
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let dw = weight_grad(&self.geometry, inputs[0], &inputs[1].signed());
        vec![RefTensor::f32(outputs[0].shape.clone(), dw)]
    }

    /// n oh ow terms ±dy meet in a weight; a kernel may count taps outside the image and take them away
    /// again, so their terms belong to the magnitude as well.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let g = &self.geometry;
        let mut magnitude = vec![0.0; g.o];
        for row in inputs[0].data.chunks(g.o) {
            magnitude.iter_mut().zip(row).for_each(|(m, dy)| *m += dy.abs());
        }
        let k = g.kh * g.kw * g.c;
        dot_bound(g.n * g.oh * g.ow, magnitude.into_iter().flat_map(|m| std::iter::repeat_n(m, k)).collect())
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (dy, x) = (io.f32(0), io.words(1));
        kernels::xnor_conv2d_weight_grad(io.isa(), &self.geometry, dy, x, io.out(0));
        Ok(())
    }

    fn operations(&self, _inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        (2.0 * self.geometry.macs() as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        Ok(Conv { geometry: &self.geometry, pass: Pass::WeightGrad, bits: Some(WeightCode::PlusMinus) }
            .lower(cx.target))
    }

    fn variants(&self, cx: &LowerCx<'_>) -> Option<Variants> {
        Some(
            Conv { geometry: &self.geometry, pass: Pass::WeightGrad, bits: Some(WeightCode::PlusMinus) }
                .variants(cx.target),
        )
    }
}

impl Graph {
    /// Convolution of packed activations `x` with packed weights `w`; an integer result.
    pub fn xnor_conv2d(
        &mut self,
        x: Value,
        w: Value,
        stride: usize,
        padding: usize,
        code: WeightCode,
    ) -> Result<Value> {
        self.xnor_conv2d_by(x, w, Windows::new(stride, padding), code)
    }

    /// As [`Graph::xnor_conv2d`], by any windows of one group.
    pub fn xnor_conv2d_by(&mut self, x: Value, w: Value, windows: Windows, code: WeightCode) -> Result<Value> {
        self.apply1(XnorConv2d { windows, code }, &[x, w])
    }

    /// Linear layer on packed bits: x `[n, in]`, w `[out, in]`, result `[n, out]`.
    pub fn xnor_linear(&mut self, x: Value, w: Value, code: WeightCode) -> Result<Value> {
        let (n, k, o) = (self.shape(x).rows(), self.shape(x).columns(), self.shape(w).rows());
        let x = self.reshape(x, [n, 1, 1, k])?;
        let w = self.reshape(w, [o, 1, 1, k])?;
        let y = self.xnor_conv2d(x, w, 1, 0, code)?;
        self.reshape(y, [n, o])
    }
}
