//! 2-D convolution, `y[n, i, j, o] = sum over taps and channels of x * w`, and its two gradients.
//!
//! x NHWC `[n, h, w, c]`, w OHWI `[o, kh, kw, c / groups]`, y NHWC. Zero padding.

use super::{forward, input_grad, shapes, weight_grad};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels;
use crate::launch::{Conv, Lowering, Pass, Variants};
use crate::ops::inputs::{exactly, same};
use crate::tensor::{Conv2dGeometry, DType, RefTensor, Shape, Windows};

/// Convolution.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// Where its windows lie.
    pub windows: Windows,
}

/// d loss / d x of a convolution, from dy and w.
#[derive(Clone, Debug)]
pub struct Conv2dInputGrad {
    /// The convolution.
    pub geometry: Conv2dGeometry,
}

/// d loss / d w of a convolution, from dy and x.
#[derive(Clone, Debug)]
pub struct Conv2dWeightGrad {
    /// The convolution.
    pub geometry: Conv2dGeometry,
}

/// A sum of n products computed in any order: n roundings of products, n of sums.
pub(super) fn dot_bound(n: usize, magnitude: Vec<f64>) -> Vec<Vec<f64>> {
    vec![magnitude.into_iter().map(|m| 2.0 * n as f64 * EPS * m).collect()]
}

impl Conv2d {
    fn geometry(&self, x: &Shape, w: &Shape) -> Result<Conv2dGeometry> {
        Conv2dGeometry::of("conv2d", x, w, self.windows)
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, w] = exactly("conv2d", inputs)?;
        if [x.dtype, w.dtype] != [DType::F32; 2] {
            return Err(Error::shape("conv2d", format!("wants f32, got {x} and {w}")));
        }
        let g = self.geometry(&x.shape, &w.shape)?;
        Ok(vec![Meta::f32([g.n, g.oh, g.ow, g.o])])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None, None]) };
        let geometry = self.geometry(g.shape(x[0]), g.shape(x[1]))?;
        Ok(vec![
            Some(g.apply1(Conv2dInputGrad { geometry }, &[dy, x[1]])?),
            Some(g.apply1(Conv2dWeightGrad { geometry }, &[dy, x[0]])?),
        ])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let g = self.geometry(&inputs[0].shape, &inputs[1].shape).expect("checked by infer");
        vec![RefTensor::f32(outputs[0].shape.clone(), forward(&g, inputs[0], inputs[1]))]
    }

    /// 2 n eps sum |x w| with n = kh kw c / groups.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let g = self.geometry(&inputs[0].shape, &inputs[1].shape).expect("checked by infer");
        dot_bound(g.kh * g.kw * g.c / g.groups, forward(&g, &inputs[0].abs(), &inputs[1].abs()))
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let g = self.geometry(&io.meta(0).shape, &io.meta(1).shape)?;
        let (x, w) = (io.f32(0), io.f32(1));
        kernels::conv2d_forward(io.isa(), &g, x, w, io.out(0));
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let g = self.geometry(&inputs[0].shape, &inputs[1].shape).expect("checked by infer");
        (2.0 * g.macs() as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let g = self.geometry(&cx.inputs[0].shape, &cx.inputs[1].shape)?;
        Ok(Conv { geometry: &g, pass: Pass::Forward, bits: None }.lower(cx.target))
    }

    fn variants(&self, cx: &LowerCx<'_>) -> Option<Variants> {
        let g = self.geometry(&cx.inputs[0].shape, &cx.inputs[1].shape).ok()?;
        Some(Conv { geometry: &g, pass: Pass::Forward, bits: None }.variants(cx.target))
    }
}

impl Op for Conv2dInputGrad {
    fn name(&self) -> &'static str {
        "conv2d_input_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, w, y] = shapes("conv2d_input_grad", &self.geometry)?.map(Meta::f32);
        same("conv2d_input_grad", inputs, &[y, w])?;
        Ok(vec![x])
    }

    /// dx is linear in dy and in w: its own gradients are the forward pass and the weight gradient.
    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], d: &[Option<Value>]) -> Result<Grads> {
        let Some(d) = d[0] else { return Ok(vec![None, None]) };
        let ddy = g.apply1(Conv2d { windows: self.geometry.windows() }, &[d, x[1]])?;
        let dw = g.apply1(Conv2dWeightGrad { geometry: self.geometry }, &[x[0], d])?;
        Ok(vec![Some(ddy), Some(dw)])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        vec![RefTensor::f32(outputs[0].shape.clone(), input_grad(&self.geometry, inputs[0], inputs[1]))]
    }

    /// At most kh kw o / groups products meet in an input element.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let g = &self.geometry;
        dot_bound(g.kh * g.kw * g.o / g.groups, input_grad(g, &inputs[0].abs(), &inputs[1].abs()))
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (dy, w) = (io.f32(0), io.f32(1));
        kernels::conv2d_input_grad(io.isa(), &self.geometry, dy, w, io.out(0));
        Ok(())
    }

    fn operations(&self, _inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        (2.0 * self.geometry.macs() as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        Ok(Conv { geometry: &self.geometry, pass: Pass::InputGrad, bits: None }.lower(cx.target))
    }

    fn variants(&self, cx: &LowerCx<'_>) -> Option<Variants> {
        Some(Conv { geometry: &self.geometry, pass: Pass::InputGrad, bits: None }.variants(cx.target))
    }
}

impl Op for Conv2dWeightGrad {
    fn name(&self) -> &'static str {
        "conv2d_weight_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, w, y] = shapes("conv2d_weight_grad", &self.geometry)?.map(Meta::f32);
        same("conv2d_weight_grad", inputs, &[y, x])?;
        Ok(vec![w])
    }

    /// dw is linear in dy and in x: its own gradients are the forward pass and the input gradient.
    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], d: &[Option<Value>]) -> Result<Grads> {
        let Some(d) = d[0] else { return Ok(vec![None, None]) };
        let ddy = g.apply1(Conv2d { windows: self.geometry.windows() }, &[x[1], d])?;
        let dx = g.apply1(Conv2dInputGrad { geometry: self.geometry }, &[x[0], d])?;
        Ok(vec![Some(ddy), Some(dx)])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        vec![RefTensor::f32(outputs[0].shape.clone(), weight_grad(&self.geometry, inputs[0], inputs[1]))]
    }

    /// n oh ow products meet in a weight.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let g = &self.geometry;
        dot_bound(g.n * g.oh * g.ow, weight_grad(g, &inputs[0].abs(), &inputs[1].abs()))
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (dy, x) = (io.f32(0), io.f32(1));
        kernels::conv2d_weight_grad(io.isa(), &self.geometry, dy, x, io.out(0));
        Ok(())
    }

    fn operations(&self, _inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        (2.0 * self.geometry.macs() as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        Ok(Conv { geometry: &self.geometry, pass: Pass::WeightGrad, bits: None }.lower(cx.target))
    }

    fn variants(&self, cx: &LowerCx<'_>) -> Option<Variants> {
        Some(Conv { geometry: &self.geometry, pass: Pass::WeightGrad, bits: None }.variants(cx.target))
    }
}

impl Graph {
    /// Convolution of `x` `[n, h, w, c]` with `w` `[o, kh, kw, c / groups]`.
    pub fn conv2d(&mut self, x: Value, w: Value, stride: usize, padding: usize, groups: usize) -> Result<Value> {
        self.conv2d_by(x, w, Windows { groups, ..Windows::new(stride, padding) })
    }

    /// As [`Graph::conv2d`], by any windows.
    pub fn conv2d_by(&mut self, x: Value, w: Value, windows: Windows) -> Result<Value> {
        self.apply1(Conv2d { windows }, &[x, w])
    }
}
