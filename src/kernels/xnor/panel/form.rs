//! How bits are counted, and how each way wants its operands.

use crate::kernels::isa::{Isa, Set};

/// The ways to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A word at a time, in plain Rust.
    Words,
    /// NEON, which counts the bits of 16 bytes at once.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AVX2, which looks up the counts of 32 halves of bytes at once.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VPOPCNTDQ, which counts the bits of 16 words at once.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Form {
    /// That of an instruction set. The first processors with AVX-512 had no VPOPCNTDQ: they count as with AVX2.
    pub fn of(isa: Isa) -> Form {
        match isa.set() {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 if is_x86_feature_detected!("avx512vpopcntdq") => Form::Avx512,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 | Set::Avx2 => Form::Avx2,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => Form::Neon,
            _ => Form::Words,
        }
    }

    /// Outputs of a block, where there are `outputs` in all.
    pub fn lanes(self, outputs: usize) -> usize {
        match self.halves() {
            true if outputs > 32 => 64,
            true => 32,
            false => 16,
        }
    }

    /// Words that can be counted in bytes before one of them overflows: of a byte's bits, or of half a byte's.
    pub fn run(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => u8::MAX as usize / 4 / 8,
            #[cfg(target_arch = "aarch64")]
            Form::Neon => u8::MAX as usize / 8,
            _ => usize::MAX,
        }
    }

    /// Words that a word of an operand becomes: two where it is read as halves of bytes.
    pub fn split_words(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 => 2,
            _ => 1,
        }
    }

    fn halves(self) -> bool {
        self.split_words() == 2
    }

    /// Puts a word of weights in its place: the words of a block's outputs side by side from `at` on, this one's number and
    /// their count given; for AVX2 their halves of bytes, each a byte, one after the other.
    pub fn split(self, word: u32, weights: &mut [u32], at: usize, (lane, lanes): (usize, usize)) {
        if self.halves() {
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut weights[2 * at..]);
            (0..8).for_each(|i| bytes[i * lanes + lane] = half_byte(word, i));
        } else {
            weights[at + lane] = word;
        }
    }

    /// Words of an image as halves of bytes, each a byte that says where its table begins (tables have 16 bytes).
    pub fn spread(self, words: &[u32], halves: &mut [u32]) {
        assert!(self.halves(), "the others read words");
        let halves: &mut [u8] = bytemuck::cast_slice_mut(halves);
        for (word, halves) in words.iter().zip(halves.as_chunks_mut::<8>().0) {
            *halves = std::array::from_fn(|i| half_byte(*word, i) << 4);
        }
    }
}

fn half_byte(word: u32, i: usize) -> u8 {
    (word >> (4 * i)) as u8 & 15
}
