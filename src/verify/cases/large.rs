//! Grids past 65,535 workgroups along one axis, which kernels fold into two, and a tensor past what one binding covers
//! on most devices. Only where that happens matters here, so that the arithmetic is small.

use super::{image, norm};
use crate::error::Result;
use crate::ops::norm::BatchNormMode;
use crate::ops::pointwise::Ste;
use crate::tensor::DType;
use crate::tensor::bits::WeightCode;
use crate::verify::{Case, CaseSpec};

/// One more than 65,535 workgroups of 64 can make, one element each; odd, so that none is read as a vector.
const ELEMENTS: usize = 65_535 * 64 + 1;
/// As pixels of an image that is not square.
const H: usize = 2049;
const W: usize = 2051;

type Build = fn(&mut Case) -> Result<()>;

/// By op, and what of it if there are several. Gradients run where their kernels have grids of their own.
const FOLDED: &[(&str, &str, Build)] = &[
    ("add", "", |c| {
        let (a, b) = (c.random([ELEMENTS]), c.random([ELEMENTS]));
        let y = c.graph.add(a, b)?;
        c.keep(y)
    }),
    ("sign", "", |c| {
        let x = c.random([ELEMENTS, 1]);
        let bits = c.graph.sign(x, Ste::ClippedIdentity)?;
        c.keep(bits)
    }),
    ("matmul", "", |c| {
        let (a, b) = (c.random([H, 1]), c.random([1, W]));
        let y = c.graph.matmul(a, b, false, false)?;
        c.keep(y)
    }),
    ("conv2d", "", |c| {
        let (x, f) = (c.random([1, H, W, 1]), c.random([1, 1, 1, 1]));
        let y = c.graph.conv2d(x, f, 1, 0, 1)?;
        c.grad(y)
    }),
    ("conv2d", "of a gradient", |c| {
        let (x, f) = (c.random([1, 1, 1, W]), c.random([H, 1, 1, W]));
        let y = c.graph.conv2d(x, f, 1, 0, 1)?;
        c.grad(y)
    }),
    ("xnor_conv2d", "", |c| {
        let (x, f) = (c.random([1, H, W, 1]), c.random([1, 1, 1, 1]));
        let (x, f) = (c.graph.sign(x, Ste::Identity)?, c.graph.sign(f, Ste::Identity)?);
        let y = c.graph.xnor_conv2d(x, f, 1, 0, WeightCode::PlusMinus)?;
        c.estimated_grad(y)
    }),
    ("xnor_conv2d", "of a gradient", |c| {
        let (x, f) = (c.random([1, 1, 1, W]), c.random([H, 1, 1, W]));
        let (x, f) = (c.graph.sign(x, Ste::Identity)?, c.graph.sign(f, Ste::Identity)?);
        let y = c.graph.xnor_conv2d(x, f, 1, 0, WeightCode::PlusMinus)?;
        c.estimated_grad(y)
    }),
    ("max_pool2d", "", |c| {
        let x = c.random([1, H, W, 1]);
        let y = c.graph.max_pool2d(x, 1, 1, 0)?;
        c.grad(y)
    }),
    ("avg_pool2d", "", |c| {
        let x = c.random([1, H, W, 1]);
        let y = c.graph.avg_pool2d(x, 1, 1, 0, false)?;
        c.grad(y)
    }),
    ("channel_stats", "", |c| {
        let x = c.random([2, ELEMENTS]);
        let (mean, var) = c.graph.channel_stats(x)?;
        let y = c.graph.add(mean, var)?;
        c.grad(y)
    }),
    ("batch_norm", "", |c| {
        let x = c.random([2, ELEMENTS]);
        let l = norm::leaves(c, ELEMENTS)?;
        let y = c.graph.batch_norm(x, None, &l, BatchNormMode::Train { momentum: 0.1, gate: None }, 1e-2)?;
        c.grad(y)
    }),
    ("layer_norm", "", |c| {
        let (x, gamma, beta) = (c.random([ELEMENTS, 2]), c.random([2]), c.random([2]));
        let y = c.graph.layer_norm(x, gamma, beta, 1e-2)?;
        c.grad(y)
    }),
    ("softmax", "", |c| {
        let x = c.random([ELEMENTS, 2]);
        let y = c.graph.softmax(x)?;
        c.grad(y)
    }),
    ("log_softmax", "", |c| {
        let x = c.random([ELEMENTS, 2]);
        let y = c.graph.log_softmax(x)?;
        c.grad(y)
    }),
    ("l2_normalize", "", |c| {
        let x = c.random([ELEMENTS, 1]);
        let y = c.graph.l2_normalize(x, 0.5)?;
        c.grad(y)
    }),
    ("cross_entropy", "", |c| {
        let (x, labels) = (c.random([ELEMENTS, 2]), c.integers([ELEMENTS], DType::U32, 2));
        let rows = c.graph.cross_entropy_rows(x, labels, 0.1)?;
        c.keep(rows)
    }),
    ("correct_top_k", "", |c| {
        let (x, labels) = (c.random([ELEMENTS, 2]), c.integers([ELEMENTS], DType::U32, 2));
        let right = c.graph.correct_top_k(x, labels, 1)?;
        c.keep(right)
    }),
    ("sum", "", |c| {
        let x = c.random([2, ELEMENTS]);
        let y = c.graph.sum(x, &[0])?;
        c.keep(y)
    }),
    ("keep_largest", "", |c| {
        let (x, kept) = (c.random([65_537, 2]), c.integers([65_537, 2], DType::U32, 9));
        let span = c.integers([2], DType::U32, 3);
        let kept = c.graph.keep_largest(x, kept, span)?;
        c.keep(kept)
    }),
    ("max", "", |c| {
        let x = c.random([65_537, 128]);
        let y = c.graph.max(x, &[1])?;
        c.keep(y)
    }),
    ("argmax", "", |c| {
        let x = c.random([ELEMENTS, 2]);
        let y = c.graph.argmax(x, 1)?;
        c.keep(y)
    }),
    ("top_k", "", |c| {
        let x = c.random([ELEMENTS, 2]);
        let (values, index) = c.graph.top_k(x, 1)?;
        c.keep(index)?;
        c.grad(values)
    }),
    ("concat", "", |c| {
        let parts = [c.random([1]), c.random([ELEMENTS])];
        let y = c.graph.concat(&parts, 0)?;
        c.keep(y)
    }),
    ("pad", "", |c| {
        let x = c.random([ELEMENTS]);
        let y = c.graph.pad(x, &[(1, 1)], 0.5)?;
        c.keep(y)
    }),
    ("transpose", "", |c| {
        let x = c.random([H, W]);
        let y = c.graph.transpose(x, &[1, 0])?;
        c.keep(y)
    }),
    ("gather", "", |c| {
        let x = c.random([ELEMENTS, 1]);
        let index = c.integers([ELEMENTS], DType::U32, 4);
        let y = c.graph.gather(x, index)?;
        c.keep(y)
    }),
    ("gather", "of a gradient", |c| {
        let x = c.random([ELEMENTS, 1]);
        let index = c.integers([2], DType::U32, ELEMENTS as u32);
        let y = c.graph.gather(x, index)?;
        c.grad(y)
    }),
    ("crop_resize", "", |c| {
        let images = c.integers([1, H * W], DType::U8, 256);
        let p = c.input(image::params(1, H, W, true));
        let y = c.graph.crop_resize(images, p, [H, W, 1], [H, W])?;
        c.keep(y)
    }),
    ("color_jitter", "", |c| {
        let p = c.input(image::params(65_537, 8, 8, true));
        let x = c.uniform([65_537, 8, 8, 3], 0.0, 1.0);
        let y = c.graph.color_jitter(x, p)?;
        c.keep(y)
    }),
    ("gaussian_blur", "", |c| {
        let p = c.input(image::params(1, H, W, true));
        let x = c.random([1, H, W, 1]);
        let y = c.graph.gaussian_blur(x, p, 1)?;
        c.keep(y)
    }),
];

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let name = |what: &str| format!("a grid of more than 65,535 workgroups {what}").trim_end().to_string();
    let mut all: Vec<CaseSpec> =
        FOLDED.iter().map(|(op, what, build)| CaseSpec::large(op, name(what), *build)).collect();
    all.push(CaseSpec::large("add", "a tensor of more than 128 MiB", |c| {
        let (a, b) = (c.random([(32 << 20) + 1]), c.random([1]));
        let y = c.graph.add(a, b)?;
        c.keep(y)
    }));
    all
}
