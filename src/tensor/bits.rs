//! The packing convention, and packing by it. What takes bits apart a word at a time, in kernels, shaders and files, follows it.
//!
//! Bit 1 is the larger of the two values (+1 of {-1,+1}, 1 of {0,1}). Bit `i` of word `j` is channel
//! `32*j + i`. Bits past the last channel are 0 in every operand, so that an xor or an and adds
//! nothing there and `dot = K - 2*popcount(a ^ w)` holds with the true K. sign(0) = +1.

/// Channels in a word.
pub const WORD: usize = 32;

/// What the bits of a binary layer's weights stand for. Activation bits are always {-1,+1}.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightCode {
    /// {-1,+1}.
    PlusMinus,
    /// {0,1}.
    ZeroOne,
}

/// sign(x) as a bit: 1 for x >= 0 (so also for -0.0), else 0.
#[inline(always)]
pub fn sign_bit(x: f32) -> u32 {
    (x >= 0.0) as u32
}

/// Packs rows of `columns` bits (`true` = the larger value) into words.
pub fn pack(columns: usize, bits: impl IntoIterator<Item = bool>) -> Vec<u32> {
    let mut words = Vec::new();
    for (i, bit) in bits.into_iter().enumerate() {
        let c = i % columns;
        if c.is_multiple_of(WORD) {
            words.push(0);
        }
        if bit {
            *words.last_mut().expect("a word was pushed at column 0") |= 1 << (c % WORD);
        }
    }
    words
}

/// Packs the signs of rows of `columns` floats.
pub fn pack_signs(columns: usize, x: &[f32]) -> Vec<u32> {
    pack(columns, x.iter().map(|&v| sign_bit(v) == 1))
}

/// The bits of rows of `columns` bits, in order.
pub fn unpack(columns: usize, words: &[u32]) -> Vec<bool> {
    let per_row = columns.div_ceil(WORD);
    words
        .chunks_exact(per_row)
        .flat_map(|row| (0..columns).map(move |c| row[c / WORD] >> (c % WORD) & 1 == 1))
        .collect()
}

/// Dot product of two packed {-1,+1} vectors of `n` elements.
pub fn xnor_dot(n: usize, a: &[u32], w: &[u32]) -> i32 {
    let differing: u32 = a.iter().zip(w).map(|(a, w)| (a ^ w).count_ones()).sum();
    n as i32 - 2 * differing as i32
}

/// Dot product of a packed {-1,+1} vector `a` and a packed {0,1} vector `w`.
pub fn and_dot(a: &[u32], w: &[u32]) -> i32 {
    a.iter().zip(w).map(|(a, w)| 2 * (a & w).count_ones() as i32 - w.count_ones() as i32).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_bits(n: usize, seed: u64) -> Vec<bool> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                state >> 63 == 1
            })
            .collect()
    }

    fn pm(b: bool) -> i32 {
        if b { 1 } else { -1 }
    }

    /// Checklist item 1 of the binary-layer foundations, n = 1..200.
    #[test]
    fn packed_dots_equal_the_sums() {
        for n in 1..=200 {
            let (a, w) = (random_bits(n, n as u64), random_bits(n, 1000 + n as u64));
            let (pa, pw) = (pack(n, a.iter().copied()), pack(n, w.iter().copied()));
            let xnor: i32 = a.iter().zip(&w).map(|(&a, &w)| pm(a) * pm(w)).sum();
            let and: i32 = a.iter().zip(&w).map(|(&a, &w)| pm(a) * w as i32).sum();
            let sum: i32 = a.iter().map(|&a| pm(a)).sum();
            assert_eq!(xnor_dot(n, &pa, &pw), xnor);
            assert_eq!(and_dot(&pa, &pw), and);
            assert_eq!(xnor_dot(n, &pa, &pw), 2 * and_dot(&pa, &pw) - sum, "dot(2w-1) = 2 dot(w) - sum a");
            assert_eq!(unpack(n, &pa), a);
        }
    }

    /// The worked example of the specification: one byte, xor count 4, dot 0.
    #[test]
    fn golden_byte() {
        let a = [0, 1, 0, 0, 1, 1, 0, 1].map(|b| b == 1);
        let w = [1, 1, 0, 1, 0, 1, 0, 0].map(|b| b == 1);
        let (pa, pw) = (pack(8, a), pack(8, w));
        assert_eq!((pa[0] ^ pw[0]).count_ones(), 4);
        assert_eq!(xnor_dot(8, &pa, &pw), 0);
        assert_eq!(and_dot(&pa, &pw), 0);
    }

    /// Checklist item 15: an all-zero input packs to all ones, and only where there are channels.
    #[test]
    fn sign_of_zero_is_plus_one() {
        assert_eq!(pack_signs(33, &[0.0; 33]), [u32::MAX, 1]);
        assert_eq!(sign_bit(-0.0), 1);
        assert_eq!(sign_bit(-f32::MIN_POSITIVE), 0);
    }
}
