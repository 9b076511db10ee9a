//! Largest pixel of each window, channel by channel: `[n, h, w, c] -> [n, oh, ow, c]`.

use super::{Window, covered};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::{exactly, same};
use crate::tensor::{DType, RefTensor};
use rayon::prelude::*;

/// Forward. Pixels of the padding never win.
#[derive(Clone, Debug)]
pub struct MaxPool2d {
    /// The windows.
    pub window: Window,
}

/// `x, y, dy -> dx`: each window's gradient goes to its first pixel, row by row, that equals the
/// maximum, as in PyTorch. Nothing is kept from the forward pass but x and y; each input pixel looks at
/// the windows that cover it, so that no two writers meet.
#[derive(Clone, Debug)]
pub struct MaxPool2dGrad {
    /// The windows.
    pub window: Window,
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("max_pool2d", inputs)?;
        let g = self.window.geometry("max_pool2d", &x.shape)?;
        if x.dtype != DType::F32 {
            return Err(Error::shape("max_pool2d", format!("wants f32, got {x}")));
        }
        Ok(vec![Meta::f32([g.n, g.oh, g.ow, g.c])])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(g.apply1(MaxPool2dGrad { window: self.window }, &[x[0], y[0], dy])?)])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let g = self.window.geometry("max_pool2d", &x.shape).expect("inferred");
        let mut data = Vec::new();
        for n in 0..g.n {
            for oy in 0..g.oh {
                for ox in 0..g.ow {
                    for c in 0..g.c {
                        let mut best = f64::NEG_INFINITY;
                        for y in (0..g.kh).filter_map(|k| g.tap(oy, k, g.h)) {
                            for xx in (0..g.kw).filter_map(|k| g.tap(ox, k, g.w)) {
                                best = best.max(x.at(&[n, y, xx, c]));
                            }
                        }
                        data.push(best);
                    }
                }
            }
        }
        vec![RefTensor::f32(outputs[0].shape.clone(), data)]
    }

    /// One of the inputs.
    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let g = self.window.geometry("max_pool2d", &io.meta(0).shape)?;
        let x = io.f32(0);
        let row = g.ow * g.c;
        io.out(0).par_chunks_mut(row).with_min_len((16 * 1024 / row).max(1)).enumerate().for_each(|(i, out)| {
            let (n, oy) = (i / g.oh, i % g.oh);
            out.fill(f32::NEG_INFINITY);
            for (ox, out) in out.chunks_exact_mut(g.c).enumerate() {
                for y in covered(&g, oy, g.h) {
                    for xx in covered(&g, ox, g.w) {
                        let pixel = &x[((n * g.h + y) * g.w + xx) * g.c..][..g.c];
                        out.iter_mut().zip(pixel).for_each(|(o, &v)| *o = if v > *o { v } else { *o });
                    }
                }
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let g = self.window.geometry("max_pool2d", &cx.inputs[0].shape)?;
        let count = cx.outputs[0].shape.elements();
        Ok(Lowering::from(Launch::each(
            count,
            "pool/max_pool2d",
            self.window.constants(&g, count),
            vec![Operand::In(0), Operand::Out(0)],
        )))
    }
}

impl Op for MaxPool2dGrad {
    fn name(&self) -> &'static str {
        "max_pool2d_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, ..] = exactly::<3>("max_pool2d_grad", inputs)?;
        let g = self.window.geometry("max_pool2d_grad", &x.shape)?;
        let (x, y) = (Meta::f32(x.shape.clone()), Meta::f32([g.n, g.oh, g.ow, g.c]));
        same("max_pool2d_grad", inputs, &[x.clone(), y.clone(), y])?;
        Ok(vec![x])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config(
            "max_pool2d has no second derivative: use avg_pool2d where gradients are differentiated".into(),
        ))
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (x, dy) = (inputs[0], inputs[2]);
        let g = self.window.geometry("max_pool2d", &x.shape).expect("inferred");
        let mut dx = vec![0.0; x.data.len()];
        for n in 0..g.n {
            for oy in 0..g.oh {
                for ox in 0..g.ow {
                    for c in 0..g.c {
                        let (mut best, mut at) = (f64::NEG_INFINITY, None);
                        for y in (0..g.kh).filter_map(|k| g.tap(oy, k, g.h)) {
                            for xx in (0..g.kw).filter_map(|k| g.tap(ox, k, g.w)) {
                                let i = x.offset(&[n, y, xx, c]);
                                if x.data[i] > best {
                                    (best, at) = (x.data[i], Some(i));
                                }
                            }
                        }
                        if let Some(at) = at {
                            dx[at] += dy.at(&[n, oy, ox, c]);
                        }
                    }
                }
            }
        }
        vec![RefTensor::f32(outputs[0].shape.clone(), dx)]
    }

    /// A sum of at most as many terms as windows cover a pixel, kernel².
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let meta = Meta::f32(outputs[0].shape.clone());
        let magnitude = self.reference(&[inputs[0], inputs[1], &inputs[2].abs()], &[meta]);
        let terms = (self.window.kernel * self.window.kernel) as f64;
        vec![magnitude[0].data.iter().map(|m| terms * EPS * m).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let g = self.window.geometry("max_pool2d", &io.meta(0).shape)?;
        let (x, y, dy) = (io.f32(0), io.f32(1), io.f32(2));
        // Images are independent; within one, windows are visited in order, as the GPU's pixels see them.
        io.out(0).par_chunks_mut((g.h * g.w * g.c).max(1)).enumerate().for_each(|(n, dx)| {
            dx.fill(0.0);
            for oy in 0..g.oh {
                for ox in 0..g.ow {
                    let window = ((n * g.oh + oy) * g.ow + ox) * g.c;
                    for c in 0..g.c {
                        let first = covered(&g, oy, g.h)
                            .flat_map(|y| covered(&g, ox, g.w).map(move |xx| (y * g.w + xx) * g.c + c))
                            .find(|i| x[n * g.h * g.w * g.c + i] == y[window + c]);
                        if let Some(i) = first {
                            dx[i] += dy[window + c];
                        }
                    }
                }
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let g = self.window.geometry("max_pool2d", &cx.inputs[0].shape)?;
        let count = cx.outputs[0].shape.elements();
        Ok(Lowering::from(Launch::each(
            count,
            "pool/max_pool2d_grad",
            self.window.constants(&g, count),
            vec![Operand::In(0), Operand::In(1), Operand::In(2), Operand::Out(0)],
        )))
    }
}

impl Graph {
    /// Largest value of each `kernel` x `kernel` window of NHWC `x`, `padding` (at most half the kernel)
    /// around it.
    pub fn max_pool2d(&mut self, x: Value, kernel: usize, stride: usize, padding: usize) -> Result<Value> {
        self.apply1(MaxPool2d { window: Window { kernel, stride, padding } }, &[x])
    }
}
