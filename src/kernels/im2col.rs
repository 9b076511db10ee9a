//! Windows of a convolution as the rows of a matrix, a tile of output pixels at a time.

use crate::tensor::Conv2dGeometry;

/// Row and column of output pixel `p` (of the whole batch) and its image.
pub(super) fn pixel(g: &Conv2dGeometry, p: usize) -> (usize, usize, usize) {
    (p / (g.oh * g.ow), p / g.ow % g.oh, p % g.ow)
}

/// For each tap of each output pixel in `first..first + count`, calls `f(row of the matrix, tap,
/// input pixel)`; the input pixel is `None` on padding.
pub(super) fn taps(g: &Conv2dGeometry, first: usize, count: usize, mut f: impl FnMut(usize, usize, Option<usize>)) {
    for r in 0..count {
        let (n, oy, ox) = pixel(g, first + r);
        for ky in 0..g.kh {
            let y = g.tap(oy, ky, g.h);
            for kx in 0..g.kw {
                let x = g.tap(ox, kx, g.w);
                f(r, ky * g.kw + kx, y.zip(x).map(|(y, x)| (n * g.h + y) * g.w + x));
            }
        }
    }
}

/// The matrix `[count, kh kw c / groups]` of the windows of group `group`.
pub(super) fn gather(g: &Conv2dGeometry, group: usize, x: &[f32], first: usize, count: usize, out: &mut Vec<f32>) {
    let ci = g.c / g.groups;
    let k = g.kh * g.kw * ci;
    out.resize(count * k, 0.0);
    taps(g, first, count, |r, tap, at| {
        let to = &mut out[r * k + tap * ci..][..ci];
        match at {
            Some(p) => to.copy_from_slice(&x[p * g.c + group * ci..][..ci]),
            None => to.fill(0.0),
        }
    });
}

/// Adds the rows of a matrix of windows back to the pixels of one image (`first` is its first output
/// pixel): the transpose of [`gather`].
pub(super) fn scatter_add(
    g: &Conv2dGeometry,
    group: usize,
    rows: &[f32],
    first: usize,
    count: usize,
    image: &mut [f32],
) {
    let ci = g.c / g.groups;
    let k = g.kh * g.kw * ci;
    let base = pixel(g, first).0 * g.h * g.w;
    taps(g, first, count, |r, tap, at| {
        if let Some(p) = at {
            let to = &mut image[(p - base) * g.c + group * ci..][..ci];
            for (t, v) in to.iter_mut().zip(&rows[r * k + tap * ci..]) {
                *t += v;
            }
        }
    });
}
