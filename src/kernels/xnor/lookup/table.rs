//! The tables, and the loop that looks things up in them.

use super::{FLOATS, LANES};
use std::arch::x86_64::*;

/// For each group of four floats of `values`, the sums for the 16 patterns of bits: a set bit stands for
/// +1, another for `low`.
///
/// # Safety
/// The machine has AVX-512.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn fill(low: f32, values: &[f32], tables: &mut [f32]) {
    let signs: [[f32; LANES]; FLOATS] =
        std::array::from_fn(|i| std::array::from_fn(|bits| if bits >> i & 1 == 1 { 1.0 } else { low }));
    let (values, _) = values.as_chunks::<FLOATS>();
    let (tables, _) = tables.as_chunks_mut::<LANES>();
    assert_eq!(values.len(), tables.len());
    // SAFETY: all registers are loaded from and stored to arrays of 16 floats.
    unsafe {
        let signs = signs.map(|s| _mm512_loadu_ps(s.as_ptr()));
        for (value, table) in values.iter().zip(tables) {
            let [a, b, c, d] = value.map(|v| _mm512_set1_ps(v));
            let sum = _mm512_fmadd_ps(b, signs[1], _mm512_mul_ps(a, signs[0]));
            let sum = _mm512_fmadd_ps(d, signs[3], _mm512_fmadd_ps(c, signs[2], sum));
            _mm512_storeu_ps(table.as_mut_ptr(), sum);
        }
    }
}

/// Adds to `T` by `V` registers what `groups` tables each, `step` floats apart, say of `V` registers of
/// bits, the next four bits for each group.
///
/// # Safety
/// The machine has AVX-512; from `tables[t]` on lie `(groups - 1) * step + 16` floats, from `bits` on
/// `V` registers; `groups` is at most 8.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn look_up<const T: usize, const V: usize>(
    sums: &mut [[__m512; V]; T],
    tables: [*const f32; T],
    (groups, step): (usize, usize),
    bits: *const u32,
) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut bits: [__m512i; V] = std::array::from_fn(|v| _mm512_loadu_si512(bits.add(v * LANES).cast()));
        for group in 0..groups {
            for (sum, table) in sums.iter_mut().zip(tables) {
                let table = _mm512_loadu_ps(table.add(group * step));
                for v in 0..V {
                    sum[v] = _mm512_add_ps(sum[v], _mm512_permutexvar_ps(bits[v], table));
                }
            }
            bits = bits.map(|b| _mm512_srli_epi32::<4>(b));
        }
    }
}
