//! The same numbers at other places.

use super::super::bytes::{DILATED, Read, Reader, Writer};
use super::super::value::{Inferred, MOST, Meta};
use super::{Operation, Runs, Stored};
use crate::kernels::Isa;
use std::ops::Range;

/// Every `step`-th pixel from `start` on, `size` of them, by rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// First row and column.
    pub start: [usize; 2],
    /// Steps.
    pub step: [usize; 2],
    /// Rows and columns of the result.
    pub size: [usize; 2],
}

/// Some channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Channels {
    /// The first one.
    pub start: usize,
    /// How many.
    pub count: usize,
}

/// Channels of zeros before and behind.
#[derive(Clone, Debug, PartialEq)]
pub struct PadChannels {
    /// How many before.
    pub before: usize,
    /// How many behind.
    pub behind: usize,
}

/// Rows and columns of zeros around the pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct PadPixels {
    /// Rows above, columns to the left.
    pub before: [usize; 2],
    /// Rows below, columns to the right.
    pub behind: [usize; 2],
}

/// All numbers as the channels of one pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Flatten;

impl Operation for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let [h, w, c] = inputs[0].shape;
        for (axis, extent) in [h, w].into_iter().enumerate() {
            let last = self.size[axis].checked_sub(1).and_then(|n| n.checked_mul(self.step[axis]));
            let last = last.and_then(|n| n.checked_add(self.start[axis]));
            if self.step[axis] == 0 || last.is_none_or(|last| last >= extent) {
                return Err(format!("takes pixels outside of {extent}"));
            }
        }
        Ok(Meta::float([self.size[0], self.size[1], c]))
    }
}

impl Operation for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn since(&self) -> u32 {
        DILATED
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let [h, w, c] = inputs[0].shape;
        match self.start.checked_add(self.count) {
            Some(end) if end <= c && self.count > 0 => Ok(Meta::float([h, w, self.count])),
            _ => Err(format!("takes {} channels from {} on of {c}", self.count, self.start)),
        }
    }
}

impl Operation for PadChannels {
    fn name(&self) -> &'static str {
        "pad channels"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let [h, w, c] = inputs[0].shape;
        let channels = c.checked_add(self.before).and_then(|c| c.checked_add(self.behind));
        Ok(Meta::float([h, w, channels.ok_or("pads too many channels")?]))
    }
}

impl Operation for PadPixels {
    fn name(&self) -> &'static str {
        "pad pixels"
    }

    fn since(&self) -> u32 {
        DILATED
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let [h, w, c] = inputs[0].shape;
        let side = |size: usize, axis: usize| {
            let padded = size.checked_add(self.before[axis])?.checked_add(self.behind[axis])?;
            (padded <= MOST).then_some(padded)
        };
        match side(h, 0).zip(side(w, 1)) {
            Some((h, w)) => Ok(Meta::float([h, w, c])),
            None => Err("pads too many pixels".into()),
        }
    }
}

impl Operation for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        Ok(Meta::float([1, 1, inputs[0].len()]))
    }
}

impl Stored for Slice {
    fn write(&self, w: &mut Writer) {
        [self.start, self.step, self.size].iter().for_each(|pair| w.u32s(pair));
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Slice { start: r.pair()?, step: r.pair()?, size: r.pair()? })
    }
}

impl Stored for Channels {
    fn write(&self, w: &mut Writer) {
        w.u32s(&[self.start, self.count]);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Channels { start: r.u32()?, count: r.u32()? })
    }
}

impl Stored for PadChannels {
    fn write(&self, w: &mut Writer) {
        w.u32s(&[self.before, self.behind]);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(PadChannels { before: r.u32()?, behind: r.u32()? })
    }
}

impl Stored for PadPixels {
    fn write(&self, w: &mut Writer) {
        [self.before, self.behind].iter().for_each(|pair| w.u32s(pair));
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(PadPixels { before: r.pair()?, behind: r.pair()? })
    }
}

impl Stored for Flatten {
    fn read(_r: &mut Reader<'_>) -> Read<Self> {
        Ok(Flatten)
    }
}

impl Runs for Slice {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let ([_, w, c], columns) = (from[0].shape, made.shape[1]);
        for (p, y) in pixels.zip(y.chunks_exact_mut(c)) {
            let row = self.start[0] + p / columns * self.step[0];
            let column = self.start[1] + p % columns * self.step[1];
            y.copy_from_slice(&x[0][(row * w + column) * c..][..c]);
        }
    }
}

impl Runs for Channels {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], pixels: Range<usize>, _made: Meta) {
        for (p, y) in pixels.zip(y.chunks_exact_mut(self.count)) {
            y.copy_from_slice(&x[0][p * from[0].shape[2] + self.start..][..self.count]);
        }
    }
}

impl Runs for PadChannels {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let c = from[0].shape[2];
        for (p, y) in pixels.zip(y.chunks_exact_mut(made.shape[2])) {
            y.fill(0.0);
            y[self.before..][..c].copy_from_slice(&x[0][p * c..][..c]);
        }
    }
}

impl Runs for PadPixels {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let ([h, w, c], columns) = (from[0].shape, made.shape[1]);
        let inside = |at: usize, axis: usize, size: usize| at.checked_sub(self.before[axis]).filter(|i| *i < size);
        for (p, y) in pixels.zip(y.chunks_exact_mut(c)) {
            match inside(p / columns, 0, h).zip(inside(p % columns, 1, w)) {
                Some((row, column)) => y.copy_from_slice(&x[0][(row * w + column) * c..][..c]),
                None => y.fill(0.0),
            }
        }
    }
}

impl Runs for Flatten {}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, onnx::Attribute, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::shape;
    use std::any::Any;

    impl Ships for Slice {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(shape::Slice { start, step, shape }) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            let ([0, top, left, 0], [_, down, right, 1], &[_, h, w, c]) = (&start[..], &step[..], &shape[..]) else {
                return Ok(None);
            };
            if c != p.meta(x).shape[2] {
                return Ok(None);
            }
            p.push(Slice { start: [*top, *left], step: [*down, *right], size: [h, w] }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            let range = |axis: usize| {
                let end = self.start[axis] + (self.size[axis] - 1) * self.step[axis] + 1;
                (self.start[axis]..end, self.step[axis])
            };
            g.slice_axes(x[0], &[(0..batch, 1), range(0), range(1), (0..from[0].shape[2], 1)])
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let of = |f: &dyn Fn(usize) -> usize| [f(0) as i64, f(1) as i64];
            let (starts, steps) = (of(&|a| self.start[a]), of(&|a| self.step[a]));
            let ends = of(&|a| self.start[a] + (self.size[a] - 1) * self.step[a] + 1);
            let [starts, ends, axes, steps] = [starts, ends, [2, 3], steps].map(|v| b.ints(&v));
            b.node("Slice", &[x[0], &starts, &ends, &axes, &steps], &[])
        }
    }

    impl Ships for Channels {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(shape::Slice { start, step, shape }) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            let ([0, 0, 0, first], [_, 1, 1, 1], &[_, h, w, count]) = (&start[..], &step[..], &shape[..]) else {
                return Ok(None);
            };
            if [h, w] != p.meta(x).shape[..2] {
                return Ok(None);
            }
            p.push(Channels { start: *first, count }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            let [h, w, _] = from[0].shape;
            let channels = self.start..self.start + self.count;
            g.slice_axes(x[0], &[(0..batch, 1), (0..h, 1), (0..w, 1), (channels, 1)])
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let [start, end, axis] = [self.start, self.start + self.count, 1].map(|v| b.ints(&[v as i64]));
            b.node("Slice", &[x[0], &start, &end, &axis], &[])
        }
    }

    impl Ships for PadChannels {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(shape::Pad { before, shape, value: 0.0, .. }) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            let ([0, 0, 0, before], &[_, h, w, c]) = (&before[..], &shape[..]) else { return Ok(None) };
            if [h, w] != p.meta(x).shape[..2] {
                return Ok(None);
            }
            let behind = c - before - p.meta(x).shape[2];
            p.push(PadChannels { before: *before, behind }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            g.pad(x[0], &[(0, 0), (0, 0), (0, 0), (self.before, self.behind)], 0.0)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let pads = b.ints(&[0, self.before as i64, 0, 0, 0, self.behind as i64, 0, 0]);
            b.node("Pad", &[x[0], &pads], &[])
        }
    }

    impl Ships for PadPixels {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(shape::Pad { before, shape, value: 0.0, .. }) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            let ([0, top, left, 0], &[_, h, w, c]) = (&before[..], &shape[..]) else { return Ok(None) };
            let own = p.meta(x).shape;
            if c != own[2] {
                return Ok(None);
            }
            let behind = [h - top - own[0], w - left - own[1]];
            p.push(PadPixels { before: [*top, *left], behind }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            let sides = |axis: usize| (self.before[axis], self.behind[axis]);
            g.pad(x[0], &[(0, 0), sides(0), sides(1), (0, 0)], 0.0)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let [top, left] = self.before.map(|n| n as i64);
            let [below, right] = self.behind.map(|n| n as i64);
            let pads = b.ints(&[0, 0, top, left, 0, 0, below, right]);
            b.node("Pad", &[x[0], &pads], &[])
        }
    }

    impl Ships for Flatten {
        /// Other extents of the same numbers: those of one pixel are written down, others follow from what comes next.
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            if !node.is_view {
                return Ok(None);
            }
            let x = p.of(node.inputs[0])?;
            match p.extents(node.outputs[0])[..] {
                [_, 1, 1, _] => p.flat(x).map(Some),
                _ => Ok(Some(x)),
            }
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            g.reshape(x[0], [batch, 1, 1, from[0].len()])
        }

        /// Numbers in the order of rows, columns and channels, as everywhere else.
        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let x = b.node("Transpose", &[x[0]], &[Attribute::Ints("perm", &[0, 2, 3, 1])]);
            let shape = b.ints(&[-1, from.len() as i64, 1, 1]);
            b.node("Reshape", &[&x, &shape], &[])
        }
    }
}
