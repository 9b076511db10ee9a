//! Any machine, any shape.

use crate::kernels::im2col::taps;
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;
use rayon::prelude::*;

/// Integers `y = conv(x, w)` of packed bits, two to a word.
pub fn forward(g: &Conv2dGeometry, code: WeightCode, x: &[u32], w: &[u32], y: &mut [u32]) {
    let words = g.c.div_ceil(32);
    let row = g.o.div_ceil(2);
    let pixels = 64;
    let per_filter = g.kh * g.kw * words;
    y.par_chunks_mut(pixels * row).enumerate().for_each_init(Vec::new, |sums: &mut Vec<i32>, (t, y)| {
        let count = y.len() / row;
        sums.clear();
        sums.resize(count * 2 * row, 0);
        taps(g, t * pixels, count, |r, tap, at| {
            let Some(p) = at else { return };
            let a = &x[p * words..][..words];
            for (o, sum) in sums[r * 2 * row..][..g.o].iter_mut().enumerate() {
                let b = &w[o * per_filter + tap * words..][..words];
                *sum += match code {
                    WeightCode::PlusMinus => {
                        let differing: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
                        g.c as i32 - 2 * differing as i32
                    }
                    WeightCode::ZeroOne => {
                        a.iter().zip(b).map(|(a, b)| 2 * (a & b).count_ones() as i32 - b.count_ones() as i32).sum()
                    }
                };
            }
        });
        for (word, two) in y.iter_mut().zip(sums.chunks_exact(2)) {
            *word = (two[0] as i16 as u16 as u32) | (two[1] as i16 as u16 as u32) << 16;
        }
    });
}
