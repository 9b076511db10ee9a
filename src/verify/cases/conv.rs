//! Convolutions in all directions: kernels 1 to 7, strides, paddings, groups, odd sizes, channel
//! counts around the words of the packing.

use crate::ops::pointwise::Ste;
use crate::tensor::Windows;
use crate::tensor::bits::WeightCode;
use crate::verify::CaseSpec;

/// `[n, h, w, c, o, k, stride, padding, groups]`.
const REAL: &[[usize; 9]] = &[
    [1, 1, 1, 1, 1, 1, 1, 0, 1],
    [2, 5, 7, 3, 8, 3, 1, 1, 1],
    [2, 8, 8, 3, 16, 3, 1, 1, 1],
    [1, 9, 8, 4, 5, 3, 2, 1, 1],
    [2, 8, 8, 16, 16, 3, 1, 1, 1],
    [1, 8, 8, 16, 32, 3, 2, 1, 1],
    [1, 7, 7, 33, 20, 1, 1, 0, 1],
    [2, 6, 6, 12, 24, 1, 2, 0, 1],
    [1, 11, 10, 2, 4, 5, 1, 2, 1],
    [1, 15, 15, 3, 8, 7, 2, 3, 1],
    [1, 6, 6, 8, 12, 3, 1, 1, 4],
    [1, 6, 5, 6, 6, 3, 2, 1, 6],
    [1, 5, 5, 2, 3, 3, 1, 0, 1],
    [1, 3, 3, 2, 2, 3, 1, 3, 1],
    [3, 16, 16, 20, 68, 3, 1, 1, 1],
    [2, 7, 9, 32, 48, 3, 1, 1, 1],
    [2, 8, 7, 64, 64, 3, 2, 1, 1],
    [3, 5, 4, 64, 96, 3, 1, 1, 1],
    [1, 9, 10, 16, 16, 2, 3, 0, 1],
    [1, 5, 6, 16, 16, 3, 4, 3, 1],
    [2, 9, 11, 12, 40, 3, 2, 1, 1],
    [1, 10, 9, 64, 64, 3, 3, 1, 1],
];

/// `[n, h, w, c, o, k, stride, padding]`.
const PACKED: &[[usize; 8]] = &[
    [1, 1, 1, 1, 1, 1, 1, 0],
    [2, 5, 7, 1, 3, 3, 1, 1],
    [2, 6, 6, 3, 8, 3, 1, 1],
    [1, 7, 6, 31, 5, 3, 2, 1],
    [2, 8, 8, 32, 32, 3, 1, 1],
    [1, 8, 8, 33, 34, 3, 2, 1],
    [1, 6, 6, 64, 16, 1, 2, 0],
    [1, 9, 9, 64, 64, 3, 1, 1],
    [1, 9, 7, 40, 7, 5, 1, 2],
    [1, 4, 4, 128, 64, 3, 1, 1],
    [1, 6, 6, 256, 8, 3, 2, 1],
    [2, 3, 3, 8, 4, 3, 1, 2],
    [3, 7, 9, 16, 16, 3, 1, 1],
    [2, 9, 8, 32, 48, 3, 2, 1],
    [2, 6, 6, 48, 272, 3, 1, 1],
    [1, 9, 10, 16, 16, 2, 3, 0],
    [1, 5, 6, 16, 16, 3, 4, 3],
    [2, 9, 8, 40, 35, 3, 1, 1],
    [2, 11, 9, 36, 40, 3, 2, 1],
];

/// Whose taps are apart: `[n, h, w, c, o, k, stride, padding, dilation, groups]`.
const DILATED: &[[usize; 10]] = &[
    [2, 7, 9, 3, 5, 3, 1, 2, 2, 1],
    [2, 8, 9, 32, 48, 3, 1, 2, 2, 1],
    [1, 11, 10, 16, 16, 3, 2, 3, 3, 1],
    [2, 9, 8, 64, 64, 3, 2, 2, 2, 1],
    [1, 9, 7, 40, 36, 2, 1, 0, 4, 1],
    [1, 12, 11, 20, 68, 5, 1, 4, 2, 1],
    [1, 8, 9, 6, 12, 3, 1, 2, 2, 3],
    [1, 4, 5, 16, 16, 3, 3, 5, 4, 1],
];

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for &[n, h, w, c, o, k, stride, padding, groups] in REAL {
        let name = format!("{n}x{h}x{w}x{c} to {o}, kernel {k}, stride {stride}, padding {padding}, groups {groups}");
        all.push(CaseSpec::new("conv2d", name, move |case| {
            let (x, f) = (case.random([n, h, w, c]), case.random([o, k, k, c / groups]));
            let y = case.graph.conv2d(x, f, stride, padding, groups)?;
            case.grad(y)
        }));
    }
    for &[n, h, w, c, o, k, stride, padding] in PACKED {
        for code in [WeightCode::PlusMinus, WeightCode::ZeroOne] {
            let name = format!("{code:?} {n}x{h}x{w}x{c} to {o}, kernel {k}, stride {stride}, padding {padding}");
            all.push(CaseSpec::new("xnor_conv2d", name, move |case| {
                let (x, f) = (case.random([n, h, w, c]), case.random([o, k, k, c]));
                let x = case.graph.sign(x, Ste::ClippedIdentity)?;
                let f = case.graph.sign(f, Ste::Identity)?;
                let y = case.graph.xnor_conv2d(x, f, stride, padding, code)?;
                case.estimated_grad(y)
            }));
        }
    }
    for &[n, h, w, c, o, k, stride, padding, dilation, groups] in DILATED {
        let windows = Windows { stride, padding, dilation, groups };
        let name = format!(
            "{n}x{h}x{w}x{c} to {o}, kernel {k}, stride {stride}, padding {padding}, dilation {dilation}, groups {groups}"
        );
        all.push(CaseSpec::new("conv2d", name.clone(), move |case| {
            let (x, f) = (case.random([n, h, w, c]), case.random([o, k, k, c / groups]));
            let y = case.graph.conv2d_by(x, f, windows)?;
            case.grad(y)
        }));
        if groups == 1 {
            all.push(CaseSpec::new("xnor_conv2d", name, move |case| {
                let (x, f) = (case.random([n, h, w, c]), case.random([o, k, k, c]));
                let x = case.graph.sign(x, Ste::ClippedIdentity)?;
                let f = case.graph.sign(f, Ste::Identity)?;
                let y = case.graph.xnor_conv2d_by(x, f, windows, WeightCode::PlusMinus)?;
                case.estimated_grad(y)
            }));
        }
    }
    // Kernels that are not square: `[h, w, c, o, kh, kw, stride, padding]`.
    for [h, w, c, o, kh, kw, stride, padding] in
        [[7, 9, 3, 5, 1, 3, 1, 0], [9, 8, 32, 16, 3, 2, 2, 1], [8, 6, 20, 36, 2, 5, 1, 2]]
    {
        let name = format!("2x{h}x{w}x{c} to {o}, kernel {kh}x{kw}, stride {stride}, padding {padding}");
        all.push(CaseSpec::new("conv2d", name.clone(), move |case| {
            let (x, f) = (case.random([2, h, w, c]), case.random([o, kh, kw, c]));
            let y = case.graph.conv2d(x, f, stride, padding, 1)?;
            case.grad(y)
        }));
        all.push(CaseSpec::new("xnor_conv2d", name, move |case| {
            let (x, f) = (case.random([2, h, w, c]), case.random([o, kh, kw, c]));
            let x = case.graph.sign(x, Ste::ClippedIdentity)?;
            let f = case.graph.sign(f, Ste::Identity)?;
            let y = case.graph.xnor_conv2d(x, f, stride, padding, WeightCode::PlusMinus)?;
            case.estimated_grad(y)
        }));
    }
    all.push(CaseSpec::new("xnor_linear", "5x70 to 33", move |case| {
        let (x, f) = (case.bits([5, 70]), case.bits([33, 70]));
        let y = case.graph.xnor_linear(x, f, WeightCode::PlusMinus)?;
        case.keep(y)
    }));
    all
}
