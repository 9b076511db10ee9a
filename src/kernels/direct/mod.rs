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
use pulp::Arch;
pub(super) use stencil::{forward, input_grad};

/// Whether the convolution or input gradient with results of `lanes` channels is for these kernels.
/// Windows of one pixel are a matrix already.
pub(super) fn suits(g: &Conv2dGeometry, lanes: usize) -> bool {
    g.groups == 1 && lanes.is_multiple_of(16) && g.kh * g.kw > 1
}

/// Up to how many floats the weight gradient keeps all sums in the caches near a core: those of 64 channels to 64 by 3x3,
/// 144 KiB.
const NARROW: usize = 64 * 9 * 64;

/// dw from dy and x, where a kernel suits.
pub(super) fn weight_grad(arch: Arch, g: &Conv2dGeometry, dy: &[f32], x: &[f32], dw: &mut [f32]) -> bool {
    // The rows of its windows are numbers side by side.
    let narrow = suits(g, g.o) && g.dilation == 1 && dw.len() <= NARROW;
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
    use crate::kernels::Isa;
    use crate::kernels::naive::{Covered, convolution, geometries, integers, lengths};

    #[test]
    fn every_instruction_set_gives_the_sums_of_the_definition() {
        let mut covered = Covered::default();
        for g in geometries() {
            let [images, outputs, weights] = lengths(&g);
            let (x, w, dy) = (integers(images, 1), integers(weights, 2), integers(outputs, 3));
            let expected = convolution(&g, &x, &w, &dy);
            for isa in Isa::all() {
                let (mut y, mut dx, mut dw) =
                    (vec![f32::NAN; outputs], vec![f32::NAN; images], vec![f32::NAN; weights]);
                forward(isa.arch(), &g, &x, &w, &mut y);
                input_grad(isa.arch(), &g, &dy, &w, &mut dx);
                assert!(weight_grad(isa.arch(), &g, &dy, &x, &mut dw), "{g:?}");
                assert!(y == expected.y, "y by {isa}, {g:?}");
                assert!(dx == expected.dx, "dx by {isa}, {g:?}");
                assert!(dw == expected.dw, "dw by {isa}, {g:?}");
                covered.by(isa, if dw.len() <= NARROW { "narrow" } else { "wide" });
            }
        }
        covered.all(&["narrow", "wide"]);
    }
}
