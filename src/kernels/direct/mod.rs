//! Convolution without a matrix of windows, for layers of few channels: a tile of results stays in
//! vector registers while the window's floats pass by, one broadcast after the other.
//!
//! The matrix of windows has kh kw times the floats of the image; with 16 filters, writing it costs as
//! much as multiplying by it.

mod stencil;
mod tile;
mod weight_grad;
mod weight_grad_wide;

use crate::tensor::Conv2dGeometry;
pub(super) use pulp::Arch;
pub(super) use stencil::{forward, input_grad};

/// Whether the convolution or input gradient with results of `lanes` channels is for these kernels.
/// Windows of one pixel are a matrix already.
pub(super) fn suits(g: &Conv2dGeometry, lanes: usize) -> bool {
    g.groups == 1 && lanes.is_multiple_of(16) && g.kh * g.kw > 1
}

/// Up to how many floats the weight gradient keeps all sums in the caches near a core.
const NARROW: usize = 64 * 9 * 64;

/// dw from dy and x, where a kernel suits.
pub(super) fn weight_grad(arch: Arch, g: &Conv2dGeometry, dy: &[f32], x: &[f32], dw: &mut [f32]) -> bool {
    let narrow = suits(g, g.o) && dw.len() <= NARROW;
    if narrow {
        weight_grad::weight_grad(arch, g, dy, x, dw);
    } else if weight_grad_wide::suits(g) {
        weight_grad_wide::weight_grad(arch, g, dy, x, dw);
    } else {
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tests::{arches, geometries, integers};

    /// Sums of small integers are exact in any order, so all instruction sets must agree to the bit.
    #[test]
    fn every_instruction_set_gives_the_same() {
        for g in geometries() {
            let (images, outputs, weights) = (g.n * g.h * g.w * g.c, g.n * g.oh * g.ow * g.o, g.o * g.kh * g.kw * g.c);
            let (x, w, dy) = (integers(images, 1), integers(weights, 2), integers(outputs, 3));
            let run = |arch: Arch| {
                let (mut y, mut dx, mut dw) =
                    (vec![f32::NAN; outputs], vec![f32::NAN; images], vec![f32::NAN; weights]);
                forward(arch, &g, &x, &w, &mut y);
                input_grad(arch, &g, &dy, &w, &mut dx);
                assert!(weight_grad(arch, &g, &dy, &x, &mut dw), "{g:?}");
                (y, dx, dw)
            };
            let expected = run(Arch::Scalar);
            assert!(expected.0.iter().any(|v| *v != 0.0));
            for arch in arches() {
                assert!(run(arch) == expected, "{arch:?} {g:?}");
            }
        }
    }
}
