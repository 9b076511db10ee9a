//! Convolutions, real-valued and on packed bits, each with its two gradients.

mod conv2d;
mod xnor_conv2d;

pub use conv2d::{Conv2d, Conv2dInputGrad, Conv2dWeightGrad};
pub use xnor_conv2d::{XnorConv2d, XnorConv2dInputGrad, XnorConv2dWeightGrad};

use crate::error::Result;
use crate::tensor::{Conv2dGeometry, RefTensor};

/// Shapes of the input, the weights and the output of a convolution.
///
/// # Errors
/// In the name of `op`, if the geometry contradicts itself.
fn shapes(op: &'static str, g: &Conv2dGeometry) -> Result<[[usize; 4]; 3]> {
    g.check(op)?;
    Ok([[g.n, g.h, g.w, g.c], [g.o, g.kh, g.kw, g.c / g.groups], [g.n, g.oh, g.ow, g.o]])
}

/// Calls `f(input offset, weight offset, output offset)` for every product of a convolution: the
/// textbook loops that all references here share. Taps on padding are skipped.
fn products(g: &Conv2dGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let (ci, oi) = (g.c / g.groups, g.o / g.groups);
    for n in 0..g.n {
        for oy in 0..g.oh {
            for ox in 0..g.ow {
                for o in 0..g.o {
                    let out = ((n * g.oh + oy) * g.ow + ox) * g.o + o;
                    for ky in 0..g.kh {
                        for kx in 0..g.kw {
                            // In the padded image; what is padding adds nothing.
                            let (y, x) = (oy * g.stride + ky * g.dilation, ox * g.stride + kx * g.dilation);
                            let padding = |at: usize, size: usize| at < g.padding || at >= g.padding + size;
                            if padding(y, g.h) || padding(x, g.w) {
                                continue;
                            }
                            let (y, x) = (y - g.padding, x - g.padding);
                            let input = ((n * g.h + y) * g.w + x) * g.c + o / oi * ci;
                            let weight = ((o * g.kh + ky) * g.kw + kx) * ci;
                            for c in 0..ci {
                                f(input + c, weight + c, out);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `y = conv(x, w)` in f64.
fn forward(g: &Conv2dGeometry, x: &RefTensor, w: &RefTensor) -> Vec<f64> {
    let mut y = vec![0.0; g.n * g.oh * g.ow * g.o];
    products(g, |i, k, o| y[o] += x.data[i] * w.data[k]);
    y
}

/// d loss / d x in f64.
fn input_grad(g: &Conv2dGeometry, dy: &RefTensor, w: &RefTensor) -> Vec<f64> {
    let mut dx = vec![0.0; g.n * g.h * g.w * g.c];
    products(g, |i, k, o| dx[i] += dy.data[o] * w.data[k]);
    dx
}

/// d loss / d w in f64.
fn weight_grad(g: &Conv2dGeometry, dy: &RefTensor, x: &RefTensor) -> Vec<f64> {
    let mut dw = vec![0.0; g.o * g.kh * g.kw * g.c / g.groups];
    products(g, |i, k, o| dw[k] += dy.data[o] * x.data[i]);
    dw
}
