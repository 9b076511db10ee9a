//! Mean of each window, channel by channel: `[n, h, w, c] -> [n, oh, ow, c]`.

use super::{Window, covered};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::{exactly, same};
use crate::tensor::{Conv2dGeometry, DType, RefTensor, Shape};
use rayon::prelude::*;

/// Forward: the sum of a window's input pixels over kernel² (`count_include_pad`, PyTorch's default) or
/// over their number.
#[derive(Clone, Debug)]
pub struct AvgPool2d {
    /// The windows.
    pub window: Window,
    /// Whether pixels of the padding count.
    pub count_include_pad: bool,
}

/// `dy -> dx`: each input pixel sums its share of the windows that cover it.
#[derive(Clone, Debug)]
pub struct AvgPool2dGrad {
    /// The windows.
    pub window: Window,
    /// Whether pixels of the padding count.
    pub count_include_pad: bool,
    /// Shape of the input.
    pub shape: Shape,
}

/// By what the sum of a window is divided.
fn divisor(g: &Conv2dGeometry, count_include_pad: bool, oy: usize, ox: usize) -> usize {
    if count_include_pad { g.kh * g.kw } else { covered(g, oy, g.h).len() * covered(g, ox, g.w).len() }
}

fn launch(
    shader: &'static str,
    window: &Window,
    g: &Conv2dGeometry,
    count_include_pad: bool,
    count: usize,
) -> Lowering {
    let mut constants = window.constants(g, count);
    constants.push(("INCLUDE_PAD", count_include_pad as u8 as f64));
    Lowering::from(Launch::each(count, shader, constants, vec![Operand::In(0), Operand::Out(0)]))
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("avg_pool2d", inputs)?;
        let g = self.window.geometry("avg_pool2d", &x.shape)?;
        if x.dtype != DType::F32 {
            return Err(Error::shape("avg_pool2d", format!("wants f32, got {x}")));
        }
        Ok(vec![Meta::f32([g.n, g.oh, g.ow, g.c])])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None]) };
        let AvgPool2d { window, count_include_pad } = *self;
        let shape = g.shape(x[0]).clone();
        Ok(vec![Some(g.apply1(AvgPool2dGrad { window, count_include_pad, shape }, &[dy])?)])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let g = self.window.geometry("avg_pool2d", &x.shape).expect("inferred");
        let mut data = Vec::new();
        for n in 0..g.n {
            for oy in 0..g.oh {
                for ox in 0..g.ow {
                    for c in 0..g.c {
                        let (mut sum, mut taps) = (0.0, 0);
                        for y in (0..g.kh).filter_map(|k| g.tap(oy, k, g.h)) {
                            for xx in (0..g.kw).filter_map(|k| g.tap(ox, k, g.w)) {
                                sum += x.at(&[n, y, xx, c]);
                                taps += 1;
                            }
                        }
                        data.push(sum / if self.count_include_pad { g.kh * g.kw } else { taps } as f64);
                    }
                }
            }
        }
        vec![RefTensor::f32(outputs[0].shape.clone(), data)]
    }

    /// kernel² additions and a division.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let magnitude = self.reference(&[&inputs[0].abs()], &[Meta::f32(outputs[0].shape.clone())]);
        let terms = (self.window.kernel * self.window.kernel) as f64 + 3.0;
        vec![magnitude[0].data.iter().map(|m| terms * EPS * m).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let g = self.window.geometry("avg_pool2d", &io.meta(0).shape)?;
        let x = io.f32(0);
        let row = g.ow * g.c;
        io.out(0).par_chunks_mut(row).with_min_len((16 * 1024 / row).max(1)).enumerate().for_each(|(i, out)| {
            let (n, oy) = (i / g.oh, i % g.oh);
            out.fill(0.0);
            for (ox, out) in out.chunks_exact_mut(g.c).enumerate() {
                for y in covered(&g, oy, g.h) {
                    for xx in covered(&g, ox, g.w) {
                        let pixel = &x[((n * g.h + y) * g.w + xx) * g.c..][..g.c];
                        out.iter_mut().zip(pixel).for_each(|(o, v)| *o += v);
                    }
                }
                let d = divisor(&g, self.count_include_pad, oy, ox) as f32;
                out.iter_mut().for_each(|o| *o /= d);
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let g = self.window.geometry("avg_pool2d", &cx.inputs[0].shape)?;
        let count = cx.outputs[0].shape.elements();
        Ok(launch("pool/avg_pool2d", &self.window, &g, self.count_include_pad, count))
    }
}

impl Op for AvgPool2dGrad {
    fn name(&self) -> &'static str {
        "avg_pool2d_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let g = self.window.geometry("avg_pool2d_grad", &self.shape)?;
        same("avg_pool2d_grad", inputs, &[Meta::f32([g.n, g.oh, g.ow, g.c])])?;
        Ok(vec![Meta::f32(self.shape.clone())])
    }

    /// Linear in `dy`: its gradient is the pooling itself.
    fn grad(&self, g: &mut Graph, _x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let AvgPool2dGrad { window, count_include_pad, .. } = *self;
        Ok(vec![dy[0].map(|d| g.apply1(AvgPool2d { window, count_include_pad }, &[d])).transpose()?])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let dy = inputs[0];
        let g = self.window.geometry("avg_pool2d", &self.shape).expect("inferred");
        let mut dx = RefTensor::f32(self.shape.clone(), vec![0.0; outputs[0].shape.elements()]);
        for n in 0..g.n {
            for oy in 0..g.oh {
                for ox in 0..g.ow {
                    let ys: Vec<usize> = (0..g.kh).filter_map(|k| g.tap(oy, k, g.h)).collect();
                    let xs: Vec<usize> = (0..g.kw).filter_map(|k| g.tap(ox, k, g.w)).collect();
                    let taps = if self.count_include_pad { g.kh * g.kw } else { ys.len() * xs.len() };
                    for (&y, c) in ys.iter().flat_map(|y| (0..g.c).map(move |c| (y, c))) {
                        for &x in &xs {
                            let at = dx.offset(&[n, y, x, c]);
                            dx.data[at] += dy.at(&[n, oy, ox, c]) / taps as f64;
                        }
                    }
                }
            }
        }
        vec![dx]
    }

    /// At most kernel² terms, each a quotient.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let magnitude = self.reference(&[&inputs[0].abs()], &[Meta::f32(outputs[0].shape.clone())]);
        let terms = (self.window.kernel * self.window.kernel) as f64 + 3.0;
        vec![magnitude[0].data.iter().map(|m| terms * EPS * m).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let g = self.window.geometry("avg_pool2d", &self.shape)?;
        let dy = io.f32(0);
        let row = g.w * g.c;
        io.out(0).par_chunks_mut(row).with_min_len((16 * 1024 / row).max(1)).enumerate().for_each(|(i, dx)| {
            let (n, v) = (i / g.h, i % g.h);
            dx.fill(0.0);
            for (u, dx) in dx.chunks_exact_mut(g.c).enumerate() {
                for oy in self.window.covering(v, g.oh) {
                    for ox in self.window.covering(u, g.ow) {
                        let d = divisor(&g, self.count_include_pad, oy, ox) as f32;
                        let dy = &dy[((n * g.oh + oy) * g.ow + ox) * g.c..][..g.c];
                        dx.iter_mut().zip(dy).for_each(|(x, y)| *x += y / d);
                    }
                }
            }
        });
        Ok(())
    }

    fn lower(&self, _cx: &LowerCx<'_>) -> Result<Lowering> {
        let g = self.window.geometry("avg_pool2d", &self.shape)?;
        Ok(launch("pool/avg_pool2d_grad", &self.window, &g, self.count_include_pad, self.shape.elements()))
    }
}

impl Graph {
    /// Mean of each `kernel` x `kernel` window of NHWC `x`, zeros around it counted
    /// if `count_include_pad`.
    pub fn avg_pool2d(
        &mut self,
        x: Value,
        kernel: usize,
        stride: usize,
        padding: usize,
        count_include_pad: bool,
    ) -> Result<Value> {
        self.apply1(AvgPool2d { window: Window { kernel, stride, padding }, count_include_pad }, &[x])
    }

    /// Mean over height and width: `[n, h, w, c] -> [n, c]`.
    pub fn global_avg_pool(&mut self, x: Value) -> Result<Value> {
        let &[n, _, _, c] = &self.shape(x)[..] else {
            return Err(Error::shape("global_avg_pool", format!("wants [n, h, w, c], got {}", self.meta(x))));
        };
        let mean = self.mean(x, &[1, 2])?;
        self.reshape(mean, [n, c])
    }
}
