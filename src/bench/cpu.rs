//! The ceilings of the CPU device: all threads at once, with the widest registers that this program's own kernels use.

use super::ceilings::{Ceilings, Spread};
use super::clock::{least, rounds};
use crate::error::Result;
use crate::kernels::isa::{Isa, Set};
use crate::kernels::lines::Lines;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::hint::black_box;

/// Sums in registers that do not depend on each other: as many as the shortest register file holds beside two operands,
/// and enough for two multiply-adds a cycle that take up to six.
const SUMS: usize = 12;

/// Seconds of a run: starting it costs microseconds, and on a machine with other work a short one finds a moment in
/// which all cores are free.
const WORTH: f64 = 0.002;

/// Measures them.
pub(super) fn measure(seconds: f64) -> Result<Ceilings> {
    let isa = Isa::chosen()?;
    Ok(Ceilings {
        f32_gops: rate(seconds, |rounds| fma(isa, rounds))?,
        sums_gops: Some(rate(seconds, |rounds| sums(isa, rounds))?),
        bit_gops: rate(seconds, |rounds| popcount(isa, rounds))?,
        copy_gbs: copy(seconds)?,
        dispatch_us: None,
        submit_us: None,
        f16_gops: None,
        matrix_gops: None,
        spread: Spread::default(),
    })
}

/// Billions of operations a second of a function that takes rounds and returns how many operations it did, on every
/// thread at once.
fn rate(seconds: f64, work: impl Fn(u32) -> f64 + Sync) -> Result<f64> {
    let mut done = 0.0;
    let mut run = |rounds| {
        // Work for other threads could make this one wait, but never one thread do two shares at a time.
        done = rayon::broadcast(|_| work(black_box(rounds))).into_iter().sum();
        Ok(())
    };
    let n = rounds(WORTH, &mut run)?;
    let time = least(seconds, || run(n))?;
    Ok(1e-9 * done / time)
}

/// Steps of a round: a round takes microseconds.
const STEPS: usize = 1 << 10;

fn fma(isa: Isa, rounds: u32) -> f64 {
    struct Fma(u32);
    impl WithSimd for Fma {
        type Output = f64;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let (x, y) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(0.001)));
            let mut sums = [simd.splat_f32s(black_box(0.5)); SUMS];
            for _ in 0..self.0 as usize * STEPS {
                for s in &mut sums {
                    *s = simd.mul_add_f32s(*s, x, y);
                }
            }
            black_box(sums.map(|s| simd.reduce_sum_f32s(s)));
            2.0 * self.0 as f64 * (STEPS * SUMS * S::F32_LANES) as f64
        }
    }
    isa.arch().dispatch(Fma(rounds))
}

/// Floats of the tables that sums are looked up in: 16 KiB.
const TABLES: usize = 4096;

/// An addition of a vector from the first-level cache to each of some sums, a table after the other.
fn sums(isa: Isa, rounds: u32) -> f64 {
    struct Sums<'a>(u32, &'a [f32]);
    impl WithSimd for Sums<'_> {
        type Output = f64;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            const SUMS: usize = 8;
            let tables = S::as_simd_f32s(self.1).0.as_chunks::<SUMS>().0;
            let passes = self.0 as usize * STEPS * SUMS / tables.len();
            let mut sums = [simd.splat_f32s(0.0); SUMS];
            for _ in 0..passes {
                for table in black_box(tables) {
                    for (sum, x) in sums.iter_mut().zip(table) {
                        *sum = simd.add_f32s(*sum, *x);
                    }
                }
            }
            black_box(sums.map(|s| simd.reduce_sum_f32s(s)));
            2.0 * 4.0 * (passes * tables.len() * SUMS * S::F32_LANES) as f64
        }
    }
    isa.arch().dispatch(Sums(rounds, &Lines::zeros(TABLES)))
}

/// By the instructions with which the kernels of an instruction set count, so that none of them is above it.
fn popcount(isa: Isa, rounds: u32) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if isa.set() == Set::Avx512 && is_x86_feature_detected!("avx512vpopcntdq") {
        // SAFETY: the machine has what the function wants.
        return unsafe { popcount_wide(rounds) };
    }
    #[cfg(target_arch = "x86_64")]
    if matches!(isa.set(), Set::Avx512 | Set::Avx2) {
        // SAFETY: as above.
        return unsafe { popcount_looked_up(rounds) };
    }
    #[cfg(target_arch = "aarch64")]
    if isa.set() == Set::Neon {
        // SAFETY: as above.
        return unsafe { popcount_of_bytes(rounds) };
    }
    let x = black_box(0x5a5a_1234_5678_9abc_u64);
    let mut sums = [black_box(1u64); SUMS];
    for _ in 0..rounds as usize * STEPS {
        for s in &mut sums {
            *s += (*s ^ x).count_ones() as u64;
        }
    }
    black_box(sums);
    2.0 * 64.0 * rounds as f64 * (STEPS * SUMS) as f64
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn popcount_wide(rounds: u32) -> f64 {
    use std::arch::x86_64::*;
    let x = _mm512_set1_epi32(black_box(0x5a5a_1234));
    let mut sums = [_mm512_set1_epi32(black_box(1)); SUMS];
    for _ in 0..rounds as usize * STEPS {
        for s in &mut sums {
            *s = _mm512_add_epi32(*s, _mm512_popcnt_epi32(_mm512_xor_si512(*s, x)));
        }
    }
    black_box(sums);
    2.0 * 512.0 * rounds as f64 * (STEPS * SUMS) as f64
}

/// Counts of halves of bytes, looked up in a register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn popcount_looked_up(rounds: u32) -> f64 {
    use std::arch::x86_64::*;
    let counts = _mm256_set1_epi8(black_box(1));
    let mut sums = [_mm256_set1_epi8(black_box(3)); SUMS];
    for _ in 0..rounds as usize * STEPS {
        for s in &mut sums {
            *s = _mm256_add_epi8(*s, _mm256_shuffle_epi8(counts, *s));
        }
    }
    black_box(sums);
    2.0 * 4.0 * 32.0 * rounds as f64 * (STEPS * SUMS) as f64
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn popcount_of_bytes(rounds: u32) -> f64 {
    use std::arch::aarch64::*;
    let x = vdupq_n_u8(black_box(0x5a));
    let mut sums = [vdupq_n_u8(black_box(1)); SUMS];
    for _ in 0..rounds as usize * STEPS {
        for s in &mut sums {
            *s = vaddq_u8(*s, vcntq_u8(veorq_u8(*s, x)));
        }
    }
    black_box(sums);
    2.0 * 128.0 * rounds as f64 * (STEPS * SUMS) as f64
}

/// Words of each of the two areas that are copied: more than caches hold.
const COPIED: usize = 32 << 20;

fn copy(seconds: f64) -> Result<f64> {
    let from = vec![black_box(1u32); COPIED];
    let mut to = vec![0u32; COPIED];
    let share = COPIED.div_ceil(rayon::current_num_threads());
    let time = least(seconds, || {
        to.par_chunks_mut(share).zip(from.par_chunks(share)).for_each(|(to, from)| to.copy_from_slice(from));
        black_box(&mut to);
        Ok(())
    })?;
    Ok(1e-9 * 8.0 * COPIED as f64 / time)
}
