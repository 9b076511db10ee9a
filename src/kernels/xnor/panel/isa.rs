//! The instruction sets, and how each wants its operands.

/// The instructions that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What every machine has: a word at a time.
    Portable,
    /// 64-bit ARM, which counts the bits of 16 bytes at once.
    Neon,
    /// AVX2, which looks up the counts of 32 halves of bytes at once.
    Avx2,
    /// AVX-512 with VPOPCNTDQ, which counts the bits of 16 words at once.
    Avx512,
}

impl Isa {
    /// Those of this machine, the best one first.
    pub fn all() -> Vec<Isa> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
                all.push(Isa::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
                all.push(Isa::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Isa::Neon);
        }
        all.push(Isa::Portable);
        all
    }

    /// The best one of this machine.
    pub fn best() -> Isa {
        Isa::all()[0]
    }

    /// Outputs of a block, where there are `outputs` in all.
    pub(super) fn lanes(self, outputs: usize) -> usize {
        match self {
            Isa::Avx2 if outputs > 32 => 64,
            Isa::Avx2 => 32,
            _ => 16,
        }
    }

    /// Words that can be counted in bytes before one of them overflows: of a byte's bits, or of half a byte's.
    pub(super) fn run(self) -> usize {
        match self {
            Isa::Avx2 => u8::MAX as usize / 4 / 8,
            Isa::Neon => u8::MAX as usize / 8,
            _ => usize::MAX,
        }
    }

    /// Words that a word of an operand becomes.
    pub(super) fn split_words(self) -> usize {
        if self == Isa::Avx2 { 2 } else { 1 }
    }

    /// Puts a word of weights in its place: the words of a block's outputs side by side from `at` on, this one's number and
    /// their count given; for AVX2 their halves of bytes, each a byte, one after the other.
    pub(super) fn split(self, word: u32, weights: &mut [u32], at: usize, (lane, lanes): (usize, usize)) {
        if self == Isa::Avx2 {
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut weights[2 * at..]);
            (0..8).for_each(|i| bytes[i * lanes + lane] = half_byte(word, i));
        } else {
            weights[at + lane] = word;
        }
    }

    /// Words of an image as halves of bytes, each a byte that says where its table begins (tables have 16 bytes).
    pub(super) fn spread(self, words: &[u32], halves: &mut [u32]) {
        debug_assert_eq!(self, Isa::Avx2, "the others read words");
        let halves: &mut [u8] = bytemuck::cast_slice_mut(halves);
        for (word, halves) in words.iter().zip(halves.as_chunks_mut::<8>().0) {
            *halves = std::array::from_fn(|i| half_byte(*word, i) << 4);
        }
    }
}

fn half_byte(word: u32, i: usize) -> u8 {
    (word >> (4 * i)) as u8 & 15
}
