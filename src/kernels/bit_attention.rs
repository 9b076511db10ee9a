//! Attention of bits: scores by popcounts, probabilities of one bit, their sums by popcounts.
//!
//! Scores are `d - 2 h`, h being the places in which a query and a key differ, so that the exponentials below a softmax are
//! numbers of a table by h. A probability is 1 where it is over half of the level γ: `e > γ/2 Σ e`, sums running from the first key
//! to the last: products and sums of two numbers are rounded the same everywhere, so that the bits are equal on every device.

use super::entry::check_length;
use std::ops::Range;

/// `e^(-2 i / sqrt(d))` for `i = 0..=d`: the exponential of the score of a key that differs in i places more than the nearest.
pub fn exponentials(d: usize) -> Vec<f32> {
    let step = 2.0 / (d as f64).sqrt();
    (0..=d).map(|i| libm::exp(-step * i as f64) as f32).collect()
}

/// Extents of an image: tokens, heads, and channels of a head, whole words of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitHeads {
    /// Tokens.
    pub tokens: usize,
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub d: usize,
}

impl BitHeads {
    /// Words of a head.
    fn words(&self) -> usize {
        self.d / 32
    }

    /// Words of a token.
    pub fn row(&self) -> usize {
        self.heads * self.words()
    }

    /// The words of a token's head.
    pub fn of<'a>(&self, bits: &'a [u32], token: usize, head: usize) -> &'a [u32] {
        &bits[token * self.row() + head * self.words()..][..self.words()]
    }
}

/// What a row of scores becomes: for each key, the exponential by [`exponentials`]; their sum.
pub fn row_of_exponentials(differing: &[u32], table: &[f32], e: &mut [f32]) -> f32 {
    let least = differing.iter().copied().min().unwrap_or(0);
    let mut sum = 0.0;
    for (e, h) in e.iter_mut().zip(differing) {
        *e = table[(h - least) as usize];
        sum += *e;
    }
    sum
}

/// For queries `part` of an image, `γ Σ p v` of each head with p in {0, 1} and v in {-1, +1}, into `y`, theirs alone
/// `[part, heads d]`. Queries, keys and values are bits `[tokens, heads d]`.
///
/// # Panics
/// If a slice has not the numbers that the extents say.
pub fn bit_attention(
    x: BitHeads,
    level: f32,
    table: &[f32],
    [q, k, v]: [&[u32]; 3],
    y: &mut [f32],
    part: Range<usize>,
) {
    for (name, bits) in [("queries", q), ("keys", k), ("values", v)] {
        check_length("bit_attention", name, bits.len(), x.tokens * x.row());
    }
    check_length("bit_attention", "the table", table.len(), x.d + 1);
    check_length("bit_attention", "the result", y.len(), part.len() * x.heads * x.d);
    let of_tokens = x.tokens.div_ceil(64);
    let mut columns = vec![0u64; x.d * of_tokens];
    let mut chosen = vec![0u64; of_tokens];
    let (mut differing, mut e) = (vec![0u32; x.tokens], vec![0.0; x.tokens]);
    for head in 0..x.heads {
        // Values with tokens along the words.
        columns.fill(0);
        for token in 0..x.tokens {
            for (c, column) in columns.chunks_exact_mut(of_tokens).enumerate() {
                let bit = x.of(v, token, head)[c / 32] >> (c % 32) & 1;
                column[token / 64] |= u64::from(bit) << (token % 64);
            }
        }
        for (query, y) in part.clone().zip(y.chunks_exact_mut(x.heads * x.d)) {
            let own = x.of(q, query, head);
            for (key, h) in differing.iter_mut().enumerate() {
                *h = own.iter().zip(x.of(k, key, head)).map(|(a, b)| (a ^ b).count_ones()).sum();
            }
            let sum = row_of_exponentials(&differing, table, &mut e);
            let over = level * 0.5 * sum;
            chosen.fill(0);
            for (key, e) in e.iter().enumerate() {
                chosen[key / 64] |= u64::from(*e > over) << (key % 64);
            }
            let ones: u32 = chosen.iter().map(|w| w.count_ones()).sum();
            for (y, column) in y[head * x.d..][..x.d].iter_mut().zip(columns.chunks_exact(of_tokens)) {
                let plus: u32 = chosen.iter().zip(column).map(|(p, v)| (p & v).count_ones()).sum();
                *y = level * (2 * plus as i32 - ones as i32) as f32;
            }
        }
    }
}
