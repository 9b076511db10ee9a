//! Operations that look at one number at a time, one after the other on a few pixels, so that what lies between them stays
//! in the nearest cache.

use crate::kernels::isa::{Isa, Set};
use std::ops::Range;

/// Numbers that are worked on at once: 16 KiB, half of a first-level cache; another value that is added takes the rest.
const CHUNK: usize = 4096;

/// What becomes of each number apart from the others, `c` channels a pixel.
pub(super) trait Each: Send + Sync {
    fn apply(&self, isa: Isa, x: &mut [f32], c: usize);
}

/// What happens to the numbers of a chunk, which are floats.
pub(super) enum Step {
    /// An operation on single numbers.
    Each(Box<dyn Each>),
    /// Adds the value in a slot.
    Add(usize),
    /// Multiplies by the value in a slot.
    Mul(usize),
    /// Multiplies every pixel by the one in a slot.
    Scale(usize),
    /// Keeps the numbers in a slot.
    Store(usize),
    /// Keeps `scale x + shift >= 0` as bits in a slot; the numbers stay as they are.
    Bits { scale: Vec<f32>, shift: Vec<f32>, to: usize },
}

/// Where a chunk comes from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The image.
    Bytes,
    /// Floats in a slot.
    Floats(usize),
    /// Integers in a slot, rows padded to whole words.
    Ints(usize),
    /// Bits in a slot, as -1 and +1.
    Bits(usize),
}

/// Some steps on a value of `pixels` times `c` numbers.
pub(super) struct Chain {
    pub isa: Isa,
    pub source: Source,
    pub steps: Vec<Step>,
    pub pixels: usize,
    pub c: usize,
}

/// Thresholds of integers: `s y >= t` with s = ±1.
pub(super) struct Thresholds {
    pub isa: Isa,
    pub sign: Vec<i16>,
    pub at: Vec<i16>,
    pub from: usize,
    pub to: usize,
    pub pixels: usize,
}

/// Memory that several threads write different parts of.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    slots: &'a [*mut u32],
    lengths: &'a [usize],
}

// SAFETY: whoever writes sees to it that parts do not overlap; see `Slots::write`.
unsafe impl Sync for Slots<'_> {}

impl<'a> Slots<'a> {
    /// Of pointers to as many words.
    pub fn new(slots: &'a [*mut u32], lengths: &'a [usize]) -> Self {
        Slots { slots, lengths }
    }

    /// Words of a slot.
    pub fn read(&self, slot: usize, range: Range<usize>) -> &'a [u32] {
        assert!(range.start <= range.end && range.end <= self.lengths[slot]);
        // SAFETY: in bounds; nobody writes there while it is read (`write`).
        unsafe { std::slice::from_raw_parts(self.slots[slot].add(range.start), range.len()) }
    }

    /// Words of a slot, to change.
    ///
    /// # Safety
    /// Nobody else reads or writes them meanwhile.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn write(&self, slot: usize, range: Range<usize>) -> &'a mut [u32] {
        assert!(range.start <= range.end && range.end <= self.lengths[slot]);
        // SAFETY: in bounds, and the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.slots[slot].add(range.start), range.len()) }
    }
}

impl Chain {
    /// Whether it reads pixel by pixel what lies in a slot.
    pub fn reads(&self, slot: usize) -> bool {
        let source = matches!(self.source, Source::Floats(s) | Source::Ints(s) | Source::Bits(s) if s == slot);
        source || self.steps.iter().any(|s| matches!(s, Step::Add(s) | Step::Mul(s) if *s == slot))
    }

    /// Whether it reads all of what lies in a slot for each pixel.
    pub fn reads_all(&self, slot: usize) -> bool {
        self.steps.iter().any(|s| matches!(s, Step::Scale(s) if *s == slot))
    }

    /// Whether it writes to a slot.
    pub fn writes(&self, slot: usize) -> bool {
        self.steps.iter().any(|s| matches!(s, Step::Store(to) | Step::Bits { to, .. } if *to == slot))
    }

    /// Runs it on some pixels. Threads take different pixels, and a slot that is stored to is none that is read, but for
    /// the same pixels by a later step.
    pub fn run(&self, image: &[u8], slots: Slots<'_>, pixels: Range<usize>) {
        let at_once = (CHUNK / self.c).max(1);
        let mut x = vec![0.0; at_once.min(pixels.len()) * self.c];
        for first in pixels.clone().step_by(at_once) {
            let some = first..pixels.end.min(first + at_once);
            let x = &mut x[..some.len() * self.c];
            self.isa.run(
                #[inline(always)]
                || self.chunk(image, slots, some.clone(), x),
            );
        }
    }

    #[inline(always)]
    fn chunk(&self, image: &[u8], slots: Slots<'_>, pixels: Range<usize>, x: &mut [f32]) {
        let c = self.c;
        let all = pixels.start * c..pixels.end * c;
        match self.source {
            Source::Bytes => x.iter_mut().zip(&image[all.clone()]).for_each(|(x, b)| *x = *b as f32),
            Source::Floats(slot) => x.copy_from_slice(bytemuck::cast_slice(slots.read(slot, all.clone()))),
            Source::Ints(slot) => {
                let row = c.div_ceil(2);
                let words: &[i16] = bytemuck::cast_slice(slots.read(slot, pixels.start * row..pixels.end * row));
                for (x, y) in x.chunks_exact_mut(c).zip(words.chunks_exact(2 * row)) {
                    x.iter_mut().zip(y).for_each(|(x, y)| *x = *y as f32);
                }
            }
            Source::Bits(slot) => {
                let row = c.div_ceil(32);
                let words = slots.read(slot, pixels.start * row..pixels.end * row);
                for (x, words) in x.chunks_exact_mut(c).zip(words.chunks_exact(row)) {
                    for (x, word) in x.chunks_mut(32).zip(words) {
                        x.iter_mut().enumerate().for_each(|(i, x)| *x = if word >> i & 1 == 1 { 1.0 } else { -1.0 });
                    }
                }
            }
        }
        for step in &self.steps {
            match step {
                Step::Each(op) => op.apply(self.isa, x, c),
                Step::Add(slot) => {
                    let other: &[f32] = bytemuck::cast_slice(slots.read(*slot, all.clone()));
                    x.iter_mut().zip(other).for_each(|(x, y)| *x += y);
                }
                Step::Mul(slot) => {
                    let other: &[f32] = bytemuck::cast_slice(slots.read(*slot, all.clone()));
                    x.iter_mut().zip(other).for_each(|(x, y)| *x *= y);
                }
                Step::Scale(slot) => {
                    let factors: &[f32] = bytemuck::cast_slice(slots.read(*slot, 0..c));
                    for x in x.chunks_exact_mut(c) {
                        x.iter_mut().zip(factors).for_each(|(x, y)| *x *= y);
                    }
                }
                Step::Store(slot) => {
                    // SAFETY: these pixels are this thread's.
                    let to = unsafe { slots.write(*slot, all.clone()) };
                    to.copy_from_slice(bytemuck::cast_slice(x));
                }
                Step::Bits { scale, shift, to } => {
                    let row = c.div_ceil(32);
                    // SAFETY: as above.
                    let words = unsafe { slots.write(*to, pixels.start * row..pixels.end * row) };
                    for (x, words) in x.chunks_exact(c).zip(words.chunks_exact_mut(row)) {
                        let fours = x.chunks(32).zip(scale.chunks(32)).zip(shift.chunks(32));
                        for (((x, a), b), word) in fours.zip(words) {
                            *word = match self.isa.set() {
                                #[cfg(target_arch = "x86_64")]
                                // SAFETY: the machine has it.
                                Set::Avx512 if x.len() == 32 => unsafe { avx512::signs(x, a, b) },
                                #[cfg(target_arch = "x86_64")]
                                // SAFETY: as above.
                                Set::Avx2 if x.len() == 32 => unsafe { avx2::signs(x, a, b) },
                                _ => signs(x.len(), |i| x[i] * a[i] + b[i] >= 0.0),
                            };
                        }
                    }
                }
            }
        }
    }
}

/// Up to 32 bits.
#[inline(always)]
fn signs(n: usize, bit: impl Fn(usize) -> bool) -> u32 {
    let mut word = 0;
    if n == 32 {
        for i in 0..32 {
            word |= (bit(i) as u32) << i;
        }
    } else {
        for i in 0..n {
            word |= (bit(i) as u32) << i;
        }
    }
    word
}

/// Comparisons of 32 numbers at once: AVX2.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    /// Of 32 numbers: `x a + b >= 0`, the product rounded before the sum.
    ///
    /// # Safety
    /// The machine has AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn signs(x: &[f32], a: &[f32], b: &[f32]) -> u32 {
        assert!(x.len() == 32 && a.len() == 32 && b.len() == 32);
        let eight = |i: usize| {
            // SAFETY: eight numbers from i on.
            let [x, a, b] = [x, a, b].map(|v| unsafe { _mm256_loadu_ps(v.as_ptr().add(i)) });
            let y = _mm256_add_ps(_mm256_mul_ps(x, a), b);
            let bits = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(y, _mm256_setzero_ps()));
            (bits as u32) << i
        };
        eight(0) | eight(8) | eight(16) | eight(24)
    }

    /// Of 32 integers: `y s >= at`.
    ///
    /// # Safety
    /// The machine has AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn thresholds(y: &[i16], s: &[i16], at: &[i16]) -> u32 {
        assert!(y.len() == 32 && s.len() == 32 && at.len() == 32);
        let below = |i: usize| {
            // SAFETY: 16 integers from i on.
            let [y, s, at] = [y, s, at].map(|v| unsafe { _mm256_loadu_si256(v.as_ptr().add(i).cast()) });
            _mm256_cmpgt_epi16(at, _mm256_mullo_epi16(y, s))
        };
        // Packing takes eight of each in turn.
        let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(below(0), below(16)));
        !_mm256_movemask_epi8(bytes) as u32
    }
}

/// Comparisons of 32 numbers at once: AVX-512.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    /// Of 32 numbers: `x a + b >= 0`, the product rounded before the sum.
    ///
    /// # Safety
    /// The machine has AVX-512.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn signs(x: &[f32], a: &[f32], b: &[f32]) -> u32 {
        assert!(x.len() == 32 && a.len() == 32 && b.len() == 32);
        let half = |i: usize| {
            // SAFETY: 16 numbers from 0 or from 16 on.
            let [x, a, b] = [x, a, b].map(|v| unsafe { _mm512_loadu_ps(v.as_ptr().add(i)) });
            let y = _mm512_add_ps(_mm512_mul_ps(x, a), b);
            _mm512_cmp_ps_mask::<_CMP_GE_OQ>(y, _mm512_setzero_ps()) as u32
        };
        half(0) | half(16) << 16
    }

    /// Of 32 integers: `y s >= at`.
    ///
    /// # Safety
    /// The machine has AVX-512.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub unsafe fn thresholds(y: &[i16], s: &[i16], at: &[i16]) -> u32 {
        assert!(y.len() == 32 && s.len() == 32 && at.len() == 32);
        // SAFETY: 32 integers each.
        let [y, s, at] = [y, s, at].map(|v| unsafe { _mm512_loadu_si512(v.as_ptr().cast()) });
        _mm512_cmpge_epi16_mask(_mm512_mullo_epi16(y, s), at)
    }
}

impl Thresholds {
    /// As [`Chain::run`].
    pub fn run(&self, slots: Slots<'_>, pixels: Range<usize>) {
        let c = self.at.len();
        let (ints, bits) = (c.div_ceil(2), c.div_ceil(32));
        let y: &[i16] = bytemuck::cast_slice(slots.read(self.from, pixels.start * ints..pixels.end * ints));
        // SAFETY: these pixels are this thread's.
        let words = unsafe { slots.write(self.to, pixels.start * bits..pixels.end * bits) };
        self.isa.run(
            #[inline(always)]
            || {
                for (y, words) in y.chunks_exact(2 * ints).zip(words.chunks_exact_mut(bits)) {
                    let fours = y[..c].chunks(32).zip(self.sign.chunks(32)).zip(self.at.chunks(32));
                    for (((y, s), at), word) in fours.zip(words) {
                        *word = match self.isa.set() {
                            #[cfg(target_arch = "x86_64")]
                            // SAFETY: the machine has it.
                            Set::Avx512 if y.len() == 32 => unsafe { avx512::thresholds(y, s, at) },
                            #[cfg(target_arch = "x86_64")]
                            // SAFETY: as above.
                            Set::Avx2 if y.len() == 32 => unsafe { avx2::thresholds(y, s, at) },
                            _ => signs(y.len(), |i| y[i] * s[i] >= at[i]),
                        };
                    }
                }
            },
        );
    }
}
