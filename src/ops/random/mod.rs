//! Random numbers made where they are used: Philox words of (seed, stream, step, element), the same on
//! every device, so that backward makes them again instead of keeping them.

mod dropout;
mod random_uniform;

pub use dropout::Dropout;
pub use random_uniform::RandomUniform;

use crate::rng::Philox;

/// A Philox stream in the form that kernels take: the two words of its key in 16-bit halves, low first,
/// each of which an f32 holds exactly.
fn key_halves(p: &Philox) -> [f32; 4] {
    let [a, b] = p.key();
    // The order of the shaders' parameters.
    [a & 0xFFFF, a >> 16, b & 0xFFFF, b >> 16].map(|h| h as f32)
}

/// Calls `f` with each element's place in a run from `index` on and its random word: word i of a step is
/// word i % 4 of block i / 4. Neighbours share their block; `step` gives the step of a place.
fn for_words(p: &Philox, index: usize, n: usize, step: impl Fn(usize) -> u64, mut f: impl FnMut(usize, u32)) {
    let mut known: Option<(u64, u64, [u32; 4])> = None;
    for i in 0..n {
        let (step, block) = (step(i), (index + i) as u64 / 4);
        let words = match known {
            Some((s, b, words)) if (s, b) == (step, block) => words,
            _ => p.block(step, block),
        };
        known = Some((step, block, words));
        f(i, words[(index + i) % 4]);
    }
}

/// The word of one element.
fn word(p: &Philox, step: u64, index: usize) -> u32 {
    p.block(step, index as u64 / 4)[index % 4]
}

/// 24 bits of a word from bit `shift` on, as a number in [0, 1).
fn unit(word: u32, shift: u32) -> f32 {
    (word >> shift & 0xFF_FFFF) as f32 / (1 << 24) as f32
}
