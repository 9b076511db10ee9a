//! What the kernels are held against: convolutions as they are defined, a multiplication at a time, sharing no code with
//! any kernel. Numbers are small and whole, so that their sums are exact in any order and in f32.

use super::isa::Isa;
use crate::rng::Philox;
use crate::tensor::{Conv2dGeometry, Windows};

/// Convolutions that the kernels for whole registers take: narrow and wide, strided, with few images.
pub(super) fn geometries() -> Vec<Conv2dGeometry> {
    [
        ([2, 7, 9, 16], [16, 3, 3, 16], 1, 1),
        ([1, 8, 7, 32], [48, 3, 3, 32], 2, 1),
        ([3, 5, 4, 64], [96, 3, 3, 64], 1, 1),
        ([2, 6, 6, 16], [32, 5, 5, 16], 1, 2),
        ([9, 4, 4, 96], [64, 3, 3, 96], 1, 1),
    ]
    .map(|(x, w, stride, padding)| Conv2dGeometry::new("test", &x, &w, stride, padding, 1).expect("fixed"))
    .to_vec()
}

/// Those, and others that they do not: of single pixels, of channels that fill no register, with a stride over one pixel.
pub(super) fn all_geometries() -> Vec<Conv2dGeometry> {
    let others = [
        ([3, 8, 5, 40], [48, 1, 1, 40], 1, 0),
        ([2, 5, 6, 3], [7, 3, 3, 3], 1, 1),
        ([1, 7, 7, 33], [10, 3, 3, 33], 2, 1),
        ([2, 6, 5, 16], [16, 1, 1, 16], 2, 0),
        ([2, 7, 6, 5], [6, 3, 3, 5], 1, 0),
        ([1, 9, 8, 20], [130, 5, 5, 20], 3, 2),
        ([70, 2, 3, 4], [4, 3, 3, 4], 1, 1),
    ]
    .map(|(x, w, stride, padding)| Conv2dGeometry::new("test", &x, &w, stride, padding, 1).expect("fixed"));
    // Whose taps are apart.
    let dilated = [
        ([2, 7, 9, 16], [16, 3, 3, 16], 1, 2, 2),
        ([1, 9, 8, 32], [48, 3, 3, 32], 2, 2, 2),
        ([9, 6, 7, 96], [64, 3, 3, 96], 1, 3, 3),
        ([2, 8, 9, 5], [6, 3, 3, 5], 1, 2, 2),
        ([1, 5, 4, 33], [10, 3, 3, 33], 3, 5, 4),
    ]
    .map(|(x, w, stride, padding, dilation)| {
        let windows = Windows { dilation, ..Windows::new(stride, padding) };
        Conv2dGeometry::of("test", &x, &w, windows).expect("fixed")
    });
    geometries().into_iter().chain(others).chain(dilated).collect()
}

/// Random integers from -3 to 3.
pub(super) fn integers(n: usize, stream: u64) -> Vec<f32> {
    let p = Philox::new(7, stream);
    (0..n).map(|i| (p.uniform(0, i as u64) * 7.0).floor() - 3.0).collect()
}

/// Each by its sign, the larger value where it is not negative.
pub(super) fn binary(x: &[f32], [low, high]: [f32; 2]) -> Vec<f32> {
    x.iter().map(|x| if *x >= 0.0 { high } else { low }).collect()
}

/// Numbers of x, y and w.
pub(super) fn lengths(g: &Conv2dGeometry) -> [usize; 3] {
    [g.n * g.h * g.w * g.c, g.n * g.oh * g.ow * g.o, g.o * g.kh * g.kw * g.c / g.groups]
}

/// Calls `f` with the places in x, y and w of the numbers of every product of the convolution.
pub(super) fn products(g: &Conv2dGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let (ci, oi) = (g.c / g.groups, g.o / g.groups);
    for n in 0..g.n {
        for y in 0..g.oh as isize {
            for x in 0..g.ow as isize {
                for ky in 0..g.kh as isize {
                    for kx in 0..g.kw as isize {
                        let [stride, padding, apart] = [g.stride, g.padding, g.dilation].map(|n| n as isize);
                        let (iy, ix) = (y * stride + ky * apart - padding, x * stride + kx * apart - padding);
                        if iy < 0 || ix < 0 || iy >= g.h as isize || ix >= g.w as isize {
                            continue;
                        }
                        let pixel = (n * g.h + iy as usize) * g.w + ix as usize;
                        let out = (n * g.oh + y as usize) * g.ow + x as usize;
                        for o in 0..g.o {
                            let tap = (o * g.kh + ky as usize) * g.kw + kx as usize;
                            for c in 0..ci {
                                f(pixel * g.c + o / oi * ci + c, out * g.o + o, tap * ci + c);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// y, dx and dw.
pub(super) struct Convolution {
    pub y: Vec<f32>,
    pub dx: Vec<f32>,
    pub dw: Vec<f32>,
}

/// The convolution of x with w, and its gradients where that of y is dy.
pub(super) fn convolution(g: &Conv2dGeometry, x: &[f32], w: &[f32], dy: &[f32]) -> Convolution {
    let [images, outputs, weights] = lengths(g);
    let (mut y, mut dx, mut dw) = (vec![0.0; outputs], vec![0.0; images], vec![0.0; weights]);
    products(g, |i, o, k| {
        y[o] += x[i] as f64 * w[k] as f64;
        dx[i] += dy[o] as f64 * w[k] as f64;
        dw[k] += dy[o] as f64 * x[i] as f64;
    });
    let f32s = |v: Vec<f64>| v.into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    assert!([&y, &dx, &dw].iter().all(|v| v.iter().any(|v| *v != 0.0)), "{g:?}");
    Convolution { y: f32s(y), dx: f32s(dx), dw: f32s(dw) }
}

/// What a test has looked at: it says so, and that was all that this machine has.
#[derive(Default)]
pub(super) struct Covered(std::collections::BTreeMap<String, usize>);

impl Covered {
    pub fn by(&mut self, isa: Isa, kernel: &str) {
        *self.0.entry(format!("{kernel} by {isa}")).or_default() += 1;
    }

    /// Each of `kernels` by every instruction set of this machine, and by nothing else.
    pub fn all(self, kernels: &[&str]) {
        println!("checked: {:?}", self.0);
        let expected: std::collections::BTreeSet<String> =
            Isa::all().iter().flat_map(|isa| kernels.iter().map(move |k| format!("{k} by {isa}"))).collect();
        assert!(!expected.is_empty() && self.0.keys().eq(expected.iter()), "{:?} of {expected:?}", self.0);
    }
}
