//! The tables, and the loop that looks things up in them.

use super::{FLOATS, LANES};
use std::arch::x86_64::*;

/// Makes tables: lane `bits` is the sum of four floats, each taken as it is where its bit is set and
/// times `low` where it is not.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    signs: [__m512; FLOATS],
}

impl Tables {
    /// # Safety
    /// The machine has AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn new(low: f32) -> Tables {
        let signs: [[f32; LANES]; FLOATS] =
            std::array::from_fn(|i| std::array::from_fn(|bits| if bits >> i & 1 == 1 { 1.0 } else { low }));
        // SAFETY: each is an array of 16 floats.
        Tables { signs: signs.map(|s| unsafe { _mm512_loadu_ps(s.as_ptr()) }) }
    }

    /// The table of four floats.
    ///
    /// # Safety
    /// The machine has AVX-512.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub unsafe fn of(&self, [a, b, c, d]: [f32; FLOATS], table: &mut [f32; LANES]) {
        let sum = _mm512_fmadd_ps(_mm512_set1_ps(b), self.signs[1], _mm512_mul_ps(_mm512_set1_ps(a), self.signs[0]));
        let sum = _mm512_fmadd_ps(_mm512_set1_ps(c), self.signs[2], sum);
        let sum = _mm512_fmadd_ps(_mm512_set1_ps(d), self.signs[3], sum);
        // SAFETY: an array of 16 floats.
        unsafe { _mm512_storeu_ps(table.as_mut_ptr(), sum) };
    }

    /// Tables of four neighbouring floats each.
    ///
    /// # Safety
    /// The machine has AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn of_runs(&self, values: &[f32], tables: &mut [f32]) {
        for (&value, table) in values.as_chunks().0.iter().zip(tables.as_chunks_mut().0) {
            // SAFETY: passed on.
            unsafe { self.of(value, table) };
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
