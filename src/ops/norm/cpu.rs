//! Sums by channel on the CPU device: one pass over memory, four rows at a time, on all threads.
//!
//! Narrow rows are taken several at once, so that the inner loop always runs over at least 64 lanes
//! that do not depend on each other. The split into chunks depends on the shape only, so results do
//! not depend on the number of threads.

use super::Factor;
use crate::kernels::isa::{Isa, Set};
use rayon::prelude::*;

/// An element of the large operand.
pub(super) trait Element: Copy + Sync {
    fn get(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn get(self) -> f32 {
        self
    }
}

impl Element for i16 {
    #[inline(always)]
    fn get(self) -> f32 {
        self as f32
    }
}

/// Elements of a chunk: it must be some hundred times what its summary costs.
const CHUNK_ELEMENTS: usize = 32 * 1024;
/// Lanes of the inner loop: eight registers of eight floats, so that additions need not wait for each other.
const LANES: usize = 64;

/// Rows in a chunk.
fn chunk_rows(columns: usize) -> usize {
    (CHUNK_ELEMENTS / columns).max(64)
}

/// Defines `$name`, which runs `$body` compiled for AVX2 where the instruction set has it. Neither contracts products and
/// sums, so both give the same bits.
macro_rules! wide {
    ($name:ident, $avx2:ident, $body:ident, <$t:ident: $bound:ident>, ($($arg:ident: $ty:ty),*)) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn $avx2<$t: $bound>($($arg: $ty),*) {
            $body($($arg),*)
        }

        fn $name<$t: $bound>(isa: Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            if matches!(isa.set(), Set::Avx2 | Set::Avx512) {
                // SAFETY: the machine has AVX2.
                return unsafe { $avx2($($arg),*) };
            }
            $body($($arg),*)
        }
    };
}

/// Adds `x - shift` and its square to the lanes `s` and `q`, for rows as long as these.
#[inline(always)]
fn moments_body<T: Element>(x: &[T], shift: &[f32], s: &mut [f32], q: &mut [f32]) {
    let w = shift.len();
    let (s, q) = (&mut s[..w], &mut q[..w]);
    let fours = x.chunks_exact(4 * w);
    let rest = fours.remainder();
    for four in fours {
        let (x0, four) = four.split_at(w);
        let (x1, four) = four.split_at(w);
        let (x2, x3) = four.split_at(w);
        let x3 = &x3[..w];
        for i in 0..w {
            let m = shift[i];
            let (d0, d1, d2, d3) = (x0[i].get() - m, x1[i].get() - m, x2[i].get() - m, x3[i].get() - m);
            s[i] += (d0 + d1) + (d2 + d3);
            q[i] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
        }
    }
    for row in rest.chunks(w) {
        for (((x, m), s), q) in row.iter().zip(shift).zip(&mut *s).zip(&mut *q) {
            let d = x.get() - m;
            *s += d;
            *q += d * d;
        }
    }
}

wide!(moments, moments_avx2, moments_body, <T: Element>, (x: &[T], shift: &[f32], s: &mut [f32], q: &mut [f32]));

/// Mean and biased variance of each of `columns` channels of `rows` rows that are `stride` apart.
pub(super) fn channel_stats<T: Element>(
    isa: Isa,
    x: &[T],
    rows: usize,
    columns: usize,
    stride: usize,
    mean: &mut [f32],
    var: &mut [f32],
) {
    let chunk = chunk_rows(columns);
    let together = (LANES / stride).max(1);
    let parts: Vec<(f64, Vec<f64>)> = x
        .par_chunks(chunk * stride)
        .map(|x| {
            let n = (x.len() / stride) as f64;
            let first: Vec<f32> = x[..stride].iter().map(|v| v.get()).collect();
            let shift = first.repeat(together);
            let (mut s, mut q) = (vec![0.0; shift.len()], vec![0.0; shift.len()]);
            moments(isa, x, &shift, &mut s, &mut q);
            let lanes = |v: &[f32], c: usize| v[c..].iter().step_by(stride).map(|v| *v as f64).sum::<f64>();
            let mut out = vec![0.0; 2 * columns];
            for c in 0..columns {
                let (s, q) = (lanes(&s, c), lanes(&q, c));
                out[c] = shift[c] as f64 + s / n;
                out[columns + c] = q - s * s / n;
            }
            (n, out)
        })
        .collect();
    let mut centre = vec![0.0f64; columns];
    for (n, part) in &parts {
        centre.iter_mut().zip(part).for_each(|(m, p)| *m += n * p);
    }
    centre.iter_mut().for_each(|m| *m /= rows as f64);
    let mut squares = vec![0.0f64; columns];
    for (n, part) in &parts {
        for c in 0..columns {
            squares[c] += part[columns + c] + n * (part[c] - centre[c]).powi(2);
        }
    }
    for c in 0..columns {
        mean[c] = centre[c] as f32;
        var[c] = (squares[c] / rows as f64).max(0.0) as f32;
    }
}

/// `dy * f(x)`.
#[inline(always)]
fn product<const CENTRED: bool, T: Element>(dy: f32, x: T, centre: f32) -> f32 {
    if CENTRED { dy * (x.get() - centre) } else { dy * x.get().min(0.0) }
}

#[inline(always)]
fn products_body<const CENTRED: bool, T: Element>(dy: &[f32], x: &[T], centre: &[f32], s: &mut [f32], q: &mut [f32]) {
    let w = centre.len();
    let (s, q) = (&mut s[..w], &mut q[..w]);
    let (dys, xs) = (dy.chunks_exact(4 * w), x.chunks_exact(4 * w));
    let (dy_rest, x_rest) = (dys.remainder(), xs.remainder());
    for (dy, x) in dys.zip(xs) {
        let (dy0, dy) = dy.split_at(w);
        let (dy1, dy) = dy.split_at(w);
        let (dy2, dy3) = dy.split_at(w);
        let (x0, x) = x.split_at(w);
        let (x1, x) = x.split_at(w);
        let (x2, x3) = x.split_at(w);
        let (dy3, x3) = (&dy3[..w], &x3[..w]);
        for i in 0..w {
            let m = centre[i];
            s[i] += (dy0[i] + dy1[i]) + (dy2[i] + dy3[i]);
            q[i] += (product::<CENTRED, T>(dy0[i], x0[i], m) + product::<CENTRED, T>(dy1[i], x1[i], m))
                + (product::<CENTRED, T>(dy2[i], x2[i], m) + product::<CENTRED, T>(dy3[i], x3[i], m));
        }
    }
    for (dy, x) in dy_rest.chunks(w).zip(x_rest.chunks(w)) {
        for ((((dy, x), m), s), q) in dy.iter().zip(x).zip(centre).zip(&mut *s).zip(&mut *q) {
            *s += dy;
            *q += product::<CENTRED, T>(*dy, *x, *m);
        }
    }
}

#[inline(always)]
fn centred_body<T: Element>(dy: &[f32], x: &[T], centre: &[f32], s: &mut [f32], q: &mut [f32]) {
    products_body::<true, T>(dy, x, centre, s, q);
}

#[inline(always)]
fn negative_body<T: Element>(dy: &[f32], x: &[T], centre: &[f32], s: &mut [f32], q: &mut [f32]) {
    products_body::<false, T>(dy, x, centre, s, q);
}

wide!(centred, centred_avx2, centred_body, <T: Element>,
    (dy: &[f32], x: &[T], centre: &[f32], s: &mut [f32], q: &mut [f32]));
wide!(negative, negative_avx2, negative_body, <T: Element>,
    (dy: &[f32], x: &[T], centre: &[f32], s: &mut [f32], q: &mut [f32]));

/// `Σ dy` and `Σ dy f(x)` by channel; rows of x are `stride` apart.
pub(super) fn channel_sums<T: Element>(
    isa: Isa,
    factor: Factor,
    dy: &[f32],
    x: &[T],
    columns: usize,
    stride: usize,
    centre: &[f32],
    a: &mut [f32],
    b: &mut [f32],
) {
    let chunk = chunk_rows(columns);
    let sum = match factor {
        Factor::Centred => centred::<T>,
        Factor::Negative => negative::<T>,
    };
    let zeros = vec![0.0; columns];
    let centre = if centre.is_empty() { &zeros } else { centre };
    // Rows that follow each other without a gap may be taken together.
    let together = if stride == columns { (LANES / columns).max(1) } else { 1 };
    let centre = centre.repeat(together);
    let parts: Vec<Vec<f64>> = dy
        .par_chunks(chunk * columns)
        .zip(x.par_chunks(chunk * stride))
        .map(|(dy, x)| {
            let (mut s, mut q) = (vec![0.0; centre.len()], vec![0.0; centre.len()]);
            if stride == columns {
                sum(isa, dy, x, &centre, &mut s, &mut q);
            } else {
                for (dy, x) in dy.chunks_exact(columns).zip(x.chunks_exact(stride)) {
                    sum(isa, dy, &x[..columns], &centre, &mut s, &mut q);
                }
            }
            let lanes = |v: &[f32], c: usize| v[c..].iter().step_by(columns).map(|v| *v as f64).sum::<f64>();
            (0..columns).map(|c| lanes(&s, c)).chain((0..columns).map(|c| lanes(&q, c))).collect()
        })
        .collect();
    let mut total = vec![0.0f64; 2 * columns];
    for part in &parts {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
    }
    for c in 0..columns {
        (a[c], b[c]) = (total[c] as f32, total[columns + c] as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_threads_nor_instruction_sets_change_a_bit() {
        for columns in [1, 3, 33, 64] {
            let rows = 200_000 / columns;
            let x: Vec<f32> = (0..rows * columns).map(|i| ((i * 37 % 1009) as f32).sin() + 3.0).collect();
            let dy: Vec<f32> = (0..rows * columns).map(|i| ((i * 91 % 1013) as f32).cos()).collect();
            let run = |threads: usize, isa: Isa| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let mut out = vec![0.0f32; 4 * columns];
                    let (stats, sums) = out.split_at_mut(2 * columns);
                    let (mean, var) = stats.split_at_mut(columns);
                    channel_stats(isa, &x, rows, columns, columns, mean, var);
                    let (a, b) = sums.split_at_mut(columns);
                    channel_sums(isa, Factor::Centred, &dy, &x, columns, columns, mean, a, b);
                    out.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
                })
            };
            let expected = run(1, Isa::PORTABLE);
            for isa in Isa::all() {
                assert_eq!(run(1, isa), expected, "{columns} columns by {isa}");
                assert_eq!(run(3, isa), expected, "{columns} columns by {isa} on 3 threads");
            }
        }
    }
}
