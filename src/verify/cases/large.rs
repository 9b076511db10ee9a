//! Grids past 65,535 workgroups along one axis, which kernels fold into two, and a tensor past what one binding covers
//! on most devices. Only where that happens matters here, so that the arithmetic is small.

use crate::ops::pointwise::Ste;
use crate::tensor::DType;
use crate::tensor::bits::WeightCode;
use crate::verify::CaseSpec;

/// One more than 65,535 workgroups of 64 can make, one element each; odd, so that none is read as a vector.
const ELEMENTS: usize = 65_535 * 64 + 1;
/// As pixels: over the limit too, and not square.
const PIXELS: [usize; 2] = [2049, 2047];

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let [h, w] = PIXELS;
    vec![
        CaseSpec::large("add", "a grid of more than 65,535 workgroups", |c| {
            let (a, b) = (c.random([ELEMENTS]), c.random([ELEMENTS]));
            let y = c.graph.add(a, b)?;
            c.keep(y)
        }),
        CaseSpec::large("add", "a tensor of more than 128 MiB", |c| {
            let (a, b) = (c.random([(32 << 20) + 1]), c.random([1]));
            let y = c.graph.add(a, b)?;
            c.keep(y)
        }),
        CaseSpec::large("sign", "a grid of more than 65,535 workgroups", |c| {
            let x = c.random([ELEMENTS, 1]);
            let bits = c.graph.sign(x, Ste::ClippedIdentity)?;
            c.keep(bits)
        }),
        CaseSpec::large("matmul", "a grid of more than 65,535 workgroups", move |c| {
            let (a, b) = (c.random([h, 1]), c.random([1, w + 1]));
            let y = c.graph.matmul(a, b, false, false)?;
            c.keep(y)
        }),
        CaseSpec::large("conv2d", "a grid of more than 65,535 workgroups", move |c| {
            let (x, f) = (c.random([1, h, w, 1]), c.random([1, 1, 1, 1]));
            let y = c.graph.conv2d(x, f, 1, 0, 1)?;
            c.grad(y)
        }),
        CaseSpec::large("xnor_conv2d", "a grid of more than 65,535 workgroups", move |c| {
            let (x, f) = (c.bits([1, h, w, 1]), c.random([1, 1, 1, 1]));
            let f = c.graph.sign(f, Ste::Identity)?;
            let y = c.graph.xnor_conv2d(x, f, 1, 0, WeightCode::PlusMinus)?;
            c.keep(y)
        }),
        CaseSpec::large("max_pool2d", "a grid of more than 65,535 workgroups", move |c| {
            let x = c.random([1, h, w, 1]);
            let y = c.graph.max_pool2d(x, 1, 1, 0)?;
            c.grad(y)
        }),
        CaseSpec::large("avg_pool2d", "a grid of more than 65,535 workgroups", move |c| {
            let x = c.random([1, h, w, 1]);
            let y = c.graph.avg_pool2d(x, 1, 1, 0, false)?;
            c.grad(y)
        }),
        CaseSpec::large("softmax", "a grid of more than 65,535 workgroups", |c| {
            let x = c.random([ELEMENTS, 1]);
            let y = c.graph.softmax(x)?;
            c.keep(y)
        }),
        CaseSpec::large("sum", "a grid of more than 65,535 workgroups", |c| {
            let x = c.random([2, ELEMENTS]);
            let y = c.graph.sum(x, &[0])?;
            c.keep(y)
        }),
        CaseSpec::large("argmax", "a grid of more than 65,535 workgroups", |c| {
            let x = c.random([ELEMENTS, 2]);
            let y = c.graph.argmax(x, 1)?;
            c.keep(y)
        }),
        CaseSpec::large("concat", "a grid of more than 65,535 workgroups", |c| {
            let parts = [c.random([1]), c.random([ELEMENTS])];
            let y = c.graph.concat(&parts, 0)?;
            c.keep(y)
        }),
        CaseSpec::large("transpose", "a grid of more than 65,535 workgroups", move |c| {
            let x = c.random([h, w + 1]);
            let y = c.graph.transpose(x, &[1, 0])?;
            c.keep(y)
        }),
        CaseSpec::large("gather", "a grid of more than 65,535 workgroups", |c| {
            let x = c.random([3, 1]);
            let index = c.integers([ELEMENTS], DType::U32, 4);
            let y = c.graph.gather(x, index)?;
            c.keep(y)
        }),
        CaseSpec::large("cross_entropy", "a grid of more than 65,535 workgroups", |c| {
            let (x, labels) = (c.random([ELEMENTS, 2]), c.integers([ELEMENTS], DType::U32, 2));
            let rows = c.graph.cross_entropy_rows(x, labels, 0.1)?;
            c.keep(rows)
        }),
    ]
}
