//! One number of several of a channel.

use super::super::bytes::{Read, Reader, Writer};
use super::super::value::{Inferred, Meta, Window};
use super::{Operation, Runs, Stored};
use crate::kernels::Isa;
use std::ops::Range;

/// The largest of each window.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxPool(pub Window);

/// The mean of each window; pixels of the padding count as 0.
#[derive(Clone, Debug, PartialEq)]
pub struct AvgPool(pub Window);

/// The sum over all pixels, `[1, 1, c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelSum;

fn infer(window: &Window, x: Meta) -> Inferred {
    let c = x.shape[2];
    let g = window.geometry(x.shape, c, 1)?;
    if window.size[0] != window.size[1] || 2 * window.padding > window.size[0] || window.dilation != 1 {
        return Err("has windows that are not square or have gaps, or pads more than half of one".into());
    }
    Ok(Meta::float([g.oh, g.ow, c]))
}

impl Operation for MaxPool {
    fn name(&self) -> &'static str {
        "max pool"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        infer(&self.0, inputs[0])
    }
}

impl Operation for AvgPool {
    fn name(&self) -> &'static str {
        "average pool"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        infer(&self.0, inputs[0])
    }
}

impl Operation for PixelSum {
    fn name(&self) -> &'static str {
        "pixel sum"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        Ok(Meta::float([1, 1, inputs[0].shape[2]]))
    }
}

impl Stored for MaxPool {
    fn write(&self, w: &mut Writer) {
        w.window(&self.0);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(MaxPool(r.window()?))
    }
}

impl Stored for AvgPool {
    fn write(&self, w: &mut Writer) {
        w.window(&self.0);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(AvgPool(r.window()?))
    }
}

impl Stored for PixelSum {
    fn read(_r: &mut Reader<'_>) -> Read<Self> {
        Ok(PixelSum)
    }
}

impl Runs for MaxPool {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        y.fill(f32::NEG_INFINITY);
        windows(&self.0, x[0], from[0], y, pixels, made, |y, x| *y = if x > *y { x } else { *y });
    }
}

impl Runs for AvgPool {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        y.fill(0.0);
        windows(&self.0, x[0], from[0], y, pixels, made, |y, x| *y += x);
        let share = 1.0 / (self.0.size[0] * self.0.size[1]) as f32;
        y.iter_mut().for_each(|y| *y *= share);
    }
}

/// Calls `f` with each number of each window and what becomes of it.
fn windows(
    window: &Window,
    x: &[f32],
    from: Meta,
    y: &mut [f32],
    pixels: Range<usize>,
    made: Meta,
    f: impl Fn(&mut f32, f32),
) {
    let ([h, w, c], ow) = (from.shape, made.shape[1]);
    for (p, y) in pixels.zip(y.chunks_exact_mut(c)) {
        for row in (0..window.size[0]).filter_map(|k| window.tap(p / ow, k, h)) {
            for column in (0..window.size[1]).filter_map(|k| window.tap(p % ow, k, w)) {
                let from = &x[(row * w + column) * c..][..c];
                y.iter_mut().zip(from).for_each(|(y, x)| f(y, *x));
            }
        }
    }
}

impl Runs for PixelSum {
    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], _pixels: Range<usize>, _made: Meta) {
        y.fill(0.0);
        for from in x[0].chunks_exact(from[0].shape[2]) {
            y.iter_mut().zip(from).for_each(|(y, x)| *y += x);
        }
    }
}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, onnx::Attribute, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::pool::{AvgPool2d, MaxPool2d};
    use crate::ops::reduce::{Reduce, ReduceKind};
    use std::any::Any;

    impl Window {
        fn of_pool(w: &crate::ops::pool::Window) -> Window {
            Window { size: [w.kernel; 2], stride: w.stride, padding: w.padding, dilation: 1 }
        }
    }

    impl Ships for MaxPool {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(MaxPool2d { window }) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            p.push(MaxPool(Window::of_pool(window)), &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            let Window { size, stride, padding, .. } = self.0;
            g.max_pool2d(x[0], size[0], stride, padding)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            b.pool("MaxPool", x[0], &self.0, &[])
        }
    }

    impl Ships for AvgPool {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(AvgPool2d { window, count_include_pad: true }) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            p.push(AvgPool(Window::of_pool(window)), &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            let Window { size, stride, padding, .. } = self.0;
            g.avg_pool2d(x[0], size[0], stride, padding, true)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            b.pool("AveragePool", x[0], &self.0, &[Attribute::Int("count_include_pad", 1)])
        }
    }

    impl Ships for PixelSum {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            match op.downcast_ref() {
                Some(Reduce { kind: ReduceKind::Sum, axes, factor: 1.0 }) if *axes == (1..3) => {
                    let x = p.of(node.inputs[0])?;
                    p.push(PixelSum, &[x]).map(Some)
                }
                _ => Ok(None),
            }
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            g.sum(x[0], &[1, 2])
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let axes = b.ints(&[2, 3]);
            b.node("ReduceSum", &[x[0], &axes], &[Attribute::Int("keepdims", 1)])
        }
    }
}
