//! What a kernel asks before it begins. The loops below read and write without asking, as far as a geometry says: so every
//! public kernel first holds the geometry against itself, and its operands against the geometry.

use crate::tensor::Conv2dGeometry;

/// Stops unless `g` is the geometry of a convolution, and `found` are as many numbers or words of its input, weights and
/// output as `expected` says.
#[cfg(feature = "train")]
#[track_caller]
pub(super) fn check(
    op: &'static str,
    g: &Conv2dGeometry,
    found: [usize; 3],
    expected: impl Fn(&Conv2dGeometry) -> [usize; 3],
) {
    check_geometry(op, g);
    for (name, (found, expected)) in
        ["the input", "the weights", "the output"].iter().zip(found.into_iter().zip(expected(g)))
    {
        check_length(op, name, found, expected);
    }
}

/// Stops unless `g` is the geometry of a convolution.
#[track_caller]
pub(super) fn check_geometry(op: &'static str, g: &Conv2dGeometry) {
    if let Err(e) = g.check(op) {
        panic!("{e}");
    }
}

/// As [`check_geometry`], for kernels that know no groups.
#[track_caller]
pub(super) fn check_one_group(op: &'static str, g: &Conv2dGeometry) {
    check_geometry(op, g);
    assert!(g.groups == 1, "{op}: takes no groups, got {}", g.groups);
}

/// Stops where the sums of a convolution of bits are more than 16 bits hold.
#[track_caller]
pub(super) fn check_sums(op: &str, g: &Conv2dGeometry) {
    let most = g.kh * g.kw * g.c / g.groups.max(1);
    assert!(most <= i16::MAX as usize, "{op}: sums of up to {most} are more than 16 bits hold");
}

/// Stops unless an operand has as many elements as it should.
#[track_caller]
pub(super) fn check_length(op: &str, name: &str, found: usize, expected: usize) {
    assert!(found == expected, "{op}: {name} has {found} elements, not the {expected} of its extents");
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use crate::kernels::dense::Dense;
    use crate::kernels::naive::lengths;
    use crate::kernels::xnor::panel::Panel;
    use crate::kernels::*;
    use crate::tensor::bits::WeightCode::PlusMinus;
    use crate::tensor::{Conv2dGeometry, MatMulExtents};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// What a kernel says as it stops.
    fn refused(run: impl FnOnce()) -> String {
        let stopped = catch_unwind(AssertUnwindSafe(run)).expect_err("it ran");
        let said = stopped.downcast_ref::<String>().cloned();
        said.or_else(|| stopped.downcast_ref::<&str>().map(|s| s.to_string())).expect("a message")
    }

    type Run<'a> = Box<dyn Fn(&Conv2dGeometry, [usize; 3]) + 'a>;

    /// Every kernel of a convolution: what it is called, and a run with so many numbers (or words) of x, w and y, or of
    /// their gradients.
    fn convolutions(isa: Isa) -> Vec<(&'static str, bool, Run<'static>)> {
        let f = |n: usize| vec![0.0f32; n];
        let u = |n: usize| vec![0u32; n];
        vec![
            (
                "conv2d_forward",
                false,
                Box::new(move |g: &Conv2dGeometry, [x, w, y]| conv2d_forward(isa, g, &f(x), &f(w), &mut f(y))),
            ),
            (
                "conv2d_input_grad",
                false,
                Box::new(move |g: &Conv2dGeometry, [x, w, y]| conv2d_input_grad(isa, g, &f(y), &f(w), &mut f(x))),
            ),
            (
                "conv2d_weight_grad",
                false,
                Box::new(move |g: &Conv2dGeometry, [x, w, y]| conv2d_weight_grad(isa, g, &f(y), &f(x), &mut f(w))),
            ),
            (
                "xnor_conv2d_forward",
                true,
                Box::new(move |g: &Conv2dGeometry, [x, w, y]| {
                    xnor_conv2d_forward(isa, g, PlusMinus, &u(x), &u(w), &mut u(y))
                }),
            ),
        ]
    }

    #[test]
    fn kernels_stop_at_operands_of_another_length_and_extents_that_contradict_each_other() {
        // For the kernels in registers, narrow and wide, and for those of matrices.
        let shapes = [([2, 7, 9, 16], [16, 3, 3, 16]), ([2, 4, 4, 96], [64, 3, 3, 96]), ([2, 5, 6, 3], [7, 3, 3, 3])];
        for isa in Isa::all() {
            for (x, w) in shapes {
                let g = Conv2dGeometry::new("test", &x, &w, 1, 1, 1).expect("fixed");
                for (name, packed, run) in convolutions(isa) {
                    let right = if packed { g.packed_words() } else { g.numbers() };
                    run(&g, right);
                    for operand in 0..3 {
                        for other in [right[operand] - 1, right[operand] + 1, 0] {
                            let mut lengths = right;
                            lengths[operand] = other;
                            let said = refused(|| run(&g, lengths));
                            assert!(said.starts_with(&format!("{name}: ")) && said.contains("elements"), "{said}");
                        }
                    }
                    // A window more than there is, an input that is not there, and one that nobody can count.
                    for wrong in [
                        Conv2dGeometry { oh: g.oh + 1, ..g },
                        Conv2dGeometry { padding: 0, ..g },
                        Conv2dGeometry { n: usize::MAX / g.h, ..g },
                        Conv2dGeometry { stride: 0, ..g },
                    ] {
                        let said = refused(|| run(&wrong, right));
                        assert!(said.starts_with(&format!("{name}: ")) && !said.contains("elements"), "{said}");
                    }
                }
                // Gradients of packed operands have floats on one side and words on the other.
                let ([x, w, y], [px, pw, _]) = (g.numbers(), g.packed_words());
                let dx = |y: usize, pw: usize, x: usize| {
                    xnor_conv2d_input_grad(isa, &g, PlusMinus, &vec![0.0; y], &vec![0; pw], &mut vec![0.0; x])
                };
                let dw = |y: usize, px: usize, w: usize| {
                    xnor_conv2d_weight_grad(isa, &g, &vec![0.0; y], &vec![0; px], &mut vec![0.0; w])
                };
                dx(y, pw, x);
                dw(y, px, w);
                for (a, b, c) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
                    let said = [refused(|| dx(y - a, pw - b, x - c)), refused(|| dw(y - a, px - b, w - c))];
                    assert!(said.iter().all(|s| s.contains("elements")), "{said:?}");
                }
                assert_eq!([x, y, w], lengths(&g));
            }
        }
    }

    #[test]
    fn laying_out_weights_stops_at_other_extents() {
        let g = Conv2dGeometry::new("test", &[1, 6, 6, 64], &[32, 3, 3, 64], 1, 1, 1).expect("fixed");
        let ([_, w, _], [_, pw, _]) = (g.numbers(), g.packed_words());
        let wrong = [Conv2dGeometry { oh: 7, ..g }, Conv2dGeometry { ow: 1, ..g }, Conv2dGeometry { h: 0, oh: 0, ..g }];
        for isa in Isa::all() {
            for g in wrong {
                refused(|| drop(Dense::new(&g, &vec![0.0; w], isa)));
                refused(|| drop(Panel::new(&g, PlusMinus, &vec![0; pw], isa)));
            }
            assert!(refused(|| drop(Dense::new(&g, &vec![0.0; w - 1], isa))).contains("elements"));
            assert!(refused(|| drop(Panel::new(&g, PlusMinus, &vec![0; pw + 1], isa))).contains("elements"));
            let grouped = Conv2dGeometry { groups: 2, ..g };
            assert!(refused(|| drop(Dense::new(&grouped, &vec![0.0; w], isa))).contains("elements"));
            assert!(refused(|| drop(Panel::new(&grouped, PlusMinus, &vec![0; pw], isa))).contains("groups"));
        }
    }

    #[test]
    fn products_stop_at_operands_of_another_length() {
        let e = MatMulExtents {
            batch: 2,
            m: 3,
            n: 5,
            k: 4,
            transpose_a: false,
            transpose_b: true,
            batched_a: true,
            batched_b: false,
        };
        let run = |e: &MatMulExtents, a: usize, b: usize, c: usize| {
            matmul(Isa::best(), e, &vec![0.0; a], &vec![0.0; b], &mut vec![0.0; c])
        };
        run(&e, 24, 20, 30);
        for (a, b, c) in [(23, 20, 30), (24, 21, 30), (24, 20, 29)] {
            assert!(refused(|| run(&e, a, b, c)).contains("elements"));
        }
        // Whose rows would seem to lie in the slice, if their number were counted modulo 2^64.
        let wraps = MatMulExtents { batch: 1, m: 2, k: usize::MAX / 2 + 2, ..e };
        let said = refused(|| run(&wraps, 2, 10, 10));
        assert!(said.contains("counted") || said.contains("elements"), "{said}");
    }
}
