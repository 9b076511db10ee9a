//! Random numbers that depend on where they are used and on nothing before: Philox 4x32-10.
//!
//! A block of four words is a function of a 64-bit key and a 128-bit counter, so any number of any step can be
//! made again without the history that led to it. That is what makes resuming exact. Source: J. K. Salmon,
//! M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the test vectors
//! are those of the authors' Random123 library.
//!
//! The layout, for whoever writes the same in another language (32-bit operations only):
//!
//! ```text
//! key     = [ lo(seed) ^ lo(stream) * 0x9E3779B9,  hi(seed) ^ hi(stream) * 0x85EBCA6B ]   (wrapping products)
//! counter = [ lo(index), hi(index), lo(step), hi(step) ]
//! round   : c' = [ hi(c2*0xCD9E8D57) ^ c1 ^ k0,  lo(c2*0xCD9E8D57),  hi(c0*0xD2511F53) ^ c3 ^ k1,  lo(c0*0xD2511F53) ]
//!           k' = [ k0 + 0x9E3779B9, k1 + 0xBB67AE85 ]                                      (ten rounds)
//! word i  = block(i / 4)[i % 4]
//! uniform = (word >> 8) * 2^-24                                                            in [0, 1)
//! normals 4j..4j+3 = Box-Muller of words (0, 1) and (2, 3) of block j, see [`normals`]
//! below n = hi(word * n)                                                                   in 0..n
//! ```

/// Streams in use. Numbers of different streams are independent under one seed; a new use takes a new stream.
pub mod streams {
    /// Initial values of parameters.
    pub const INIT: u64 = 1;
    /// Dropout masks.
    pub const DROPOUT: u64 = 2;
    /// Which images of a set without a test part go to the test part.
    pub const SPLIT: u64 = 3;
    /// The order of the images in an epoch.
    pub const ORDER: u64 = 4;
    /// Where clusters start.
    pub const CLUSTER: u64 = 5;
    /// Which images keep their labels when only some do.
    pub const LOW_SHOT: u64 = 6;
    /// The map of features: which point is drawn over which, and how equal ones part.
    pub const MAP: u64 = 7;
    /// What the clusterings of a multilayer bootstrap network draw.
    pub const BOOTSTRAP: u64 = 8;
    /// Where the subspace iteration of a one-hot code starts.
    pub const SUBSPACE: u64 = 9;
    /// Augmentation of view 0; view `v` of an image uses `AUGMENT + v`.
    pub const AUGMENT: u64 = 1 << 16;
    /// What of the augmentation of view 0 has no room there; view `v` uses `AUGMENT_MORE + v`.
    pub const AUGMENT_MORE: u64 = 2 << 16;
    /// How the images of a batch are mixed in view 0; view `v` uses `MIX + v`.
    pub const MIX: u64 = 3 << 16;
}

/// A stream of random numbers that can be read at any place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// Stream number `stream` (see [`streams`]) under `seed`.
    pub const fn new(seed: u64, stream: u64) -> Self {
        Philox {
            key: [
                seed as u32 ^ (stream as u32).wrapping_mul(0x9E37_79B9),
                (seed >> 32) as u32 ^ ((stream >> 32) as u32).wrapping_mul(0x85EB_CA6B),
            ],
        }
    }

    /// The key, for a shader that continues the same stream.
    pub const fn key(&self) -> [u32; 2] {
        self.key
    }

    /// The four words at `index` of `step`.
    pub const fn block(&self, step: u64, index: u64) -> [u32; 4] {
        philox4x32_10([index as u32, (index >> 32) as u32, step as u32, (step >> 32) as u32], self.key)
    }

    /// Word `index` of `step`: four to a block.
    pub const fn word(&self, step: u64, index: u64) -> u32 {
        self.block(step, index / 4)[(index % 4) as usize]
    }

    /// Uniform number `index` of `step`, in [0, 1).
    pub fn uniform(&self, step: u64, index: u64) -> f32 {
        unit(self.word(step, index))
    }

    /// Normal number `index` of `step`, mean 0 and variance 1.
    pub fn normal(&self, step: u64, index: u64) -> f32 {
        normals(self.block(step, index / 4))[(index % 4) as usize]
    }

    /// Fills `out` with the uniform numbers 0, 1, 2, ... of `step`.
    pub fn fill_uniform(&self, step: u64, out: &mut [f32]) {
        for (j, four) in out.chunks_mut(4).enumerate() {
            let block = self.block(step, j as u64);
            four.iter_mut().zip(block).for_each(|(o, w)| *o = unit(w));
        }
    }

    /// Fills `out` with the normal numbers 0, 1, 2, ... of `step`.
    pub fn fill_normal(&self, step: u64, out: &mut [f32]) {
        for (j, four) in out.chunks_mut(4).enumerate() {
            let block = normals(self.block(step, j as u64));
            four.iter_mut().zip(block).for_each(|(o, n)| *o = n);
        }
    }

    /// The words of `step` one after the other, from the first word of block `first` on.
    pub const fn draws(&self, step: u64, first: u64) -> Draws {
        Draws { rng: *self, step, next: first, block: [0; 4], used: 4 }
    }

    /// Shuffles `items` (Fisher-Yates from the back) with the words 0, 1, 2, ... of `step`.
    ///
    /// # Panics
    /// If there are 2^32 items or more.
    pub fn shuffle<T>(&self, step: u64, items: &mut [T]) {
        let mut draws = self.draws(step, 0);
        for i in (1..items.len()).rev() {
            let bound = u32::try_from(i + 1).expect("fewer than 2^32 items");
            items.swap(i, draws.below(bound) as usize);
        }
    }

    /// A permutation of `0..n`: [`Philox::shuffle`] of the identity.
    pub fn permutation(&self, step: u64, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        self.shuffle(step, &mut order);
        order
    }
}

/// Words read one after the other, for draws whose number is not known beforehand.
#[derive(Clone, Debug)]
pub struct Draws {
    rng: Philox,
    step: u64,
    next: u64,
    block: [u32; 4],
    used: usize,
}

impl Draws {
    /// The next word.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.block = self.rng.block(self.step, self.next);
            self.next += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next uniform number in [0, 1).
    pub fn unit(&mut self) -> f32 {
        unit(self.word())
    }

    /// The next uniform number between `low` and `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// The next integer in `0..n`.
    pub fn below(&mut self, n: u32) -> u32 {
        below(self.word(), n)
    }
}

/// The block function: ten rounds over `counter` under `key`.
pub const fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    let mut round = 0;
    while round < 10 {
        let p0 = c0 as u64 * 0xD251_1F53;
        let p1 = c2 as u64 * 0xCD9E_8D57;
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
        round += 1;
    }
    [c0, c1, c2, c3]
}

/// The upper 24 bits as a number in [0, 1): every value is exact in f32.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// An integer in `0..n` by multiply and shift. The bias, below n / 2^32, is accepted: rejecting would make the
/// number of words read depend on their values.
pub const fn below(word: u32, n: u32) -> u32 {
    ((word as u64 * n as u64) >> 32) as u32
}

/// Four normal numbers from a block, by Box and Muller:
/// `sqrt(-2 ln u) * (cos, sin)(2 pi v)` for (u, v) = words (0, 1), then words (2, 3);
/// `u = ((word >> 8) + 1) * 2^-24` is in (0, 1], so its logarithm is finite.
pub fn normals(block: [u32; 4]) -> [f32; 4] {
    let pair = |a: u32, b: u32| {
        let u = ((a >> 8) + 1) as f32 * (1.0 / 16_777_216.0);
        // libm and not the system's functions: the same bits on every platform.
        let radius = libm::sqrtf(-2.0 * libm::logf(u));
        let (sin, cos) = libm::sincosf(std::f32::consts::TAU * unit(b));
        [radius * cos, radius * sin]
    };
    let [a, b, c, d] = block;
    let ([x, y], [z, w]) = (pair(a, b), pair(c, d));
    [x, y, z, w]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kat_vectors of Random123, philox4x32 with 10 rounds.
    #[test]
    fn known_answers() {
        let ones = u32::MAX;
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn key_and_counter_are_laid_out_as_documented() {
        let rng = Philox::new(0x0123_4567_89ab_cdef, 0x0000_0002_0000_0003);
        let key = [0x89ab_cdef ^ 3u32.wrapping_mul(0x9E37_79B9), 0x0123_4567 ^ 2u32.wrapping_mul(0x85EB_CA6B)];
        assert_eq!(rng.key(), key);
        let (step, index) = (0x0a0b_0c0d_0102_0304, 0x1122_3344_5566_7788);
        assert_eq!(rng.block(step, index), philox4x32_10([0x5566_7788, 0x1122_3344, 0x0102_0304, 0x0a0b_0c0d], key));
        assert_eq!(Philox::new(7, 0).key(), [7, 0]);
    }

    #[test]
    fn every_way_to_read_a_stream_gives_the_same_numbers() {
        let rng = Philox::new(5, 9);
        let mut uniform = [0.0; 11];
        let mut normal = [0.0; 11];
        rng.fill_uniform(3, &mut uniform);
        rng.fill_normal(3, &mut normal);
        let mut draws = rng.draws(3, 0);
        for i in 0..11 {
            assert_eq!(uniform[i], rng.uniform(3, i as u64));
            assert_eq!(uniform[i], draws.unit());
            assert_eq!(normal[i], rng.normal(3, i as u64));
        }
        assert_eq!(rng.draws(3, 1).word(), rng.word(3, 4));
        assert_ne!(rng.block(3, 0), rng.block(4, 0));
        assert_ne!(rng.block(3, 0), Philox::new(5, 10).block(3, 0));
        assert_ne!(rng.block(3, 0), Philox::new(6, 9).block(3, 0));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let n = 200_000;
        let rng = Philox::new(1, 2);
        let mut x = vec![0.0; n];
        let moments = |x: &[f32]| {
            let mean = x.iter().map(|&v| v as f64).sum::<f64>() / n as f64;
            (mean, x.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n as f64)
        };
        rng.fill_uniform(0, &mut x);
        let (mean, variance) = moments(&x);
        // Five standard errors: sqrt(1/12 / n) and sqrt(1/180 / n).
        assert!((mean - 0.5).abs() < 5.0 * (1.0f64 / 12.0 / n as f64).sqrt(), "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 5.0 * (1.0f64 / 180.0 / n as f64).sqrt(), "{variance}");
        assert!(x.iter().all(|v| (0.0..1.0).contains(v)));
        rng.fill_normal(1, &mut x);
        let (mean, variance) = moments(&x);
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{variance}");
        // 68.27 % of a normal distribution lies within one standard deviation.
        let inside = x.iter().filter(|v| v.abs() < 1.0).count() as f64 / n as f64;
        assert!((inside - 0.6827).abs() < 0.006, "{inside}");
    }

    #[test]
    fn extremes_stay_in_range() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u32::MAX) < 1.0);
        assert_eq!(below(u32::MAX, 10), 9);
        assert_eq!(below(0, 10), 0);
        assert!(normals([0, 0, u32::MAX, u32::MAX]).iter().all(|v| v.is_finite()));
    }

    #[test]
    fn a_permutation_is_one_and_spreads_evenly() {
        let rng = Philox::new(11, 0);
        let mut p = rng.permutation(4, 1000);
        assert_eq!(p, rng.permutation(4, 1000));
        assert_ne!(p, rng.permutation(5, 1000));
        p.sort_unstable();
        assert!(p.iter().enumerate().all(|(i, &v)| i as u32 == v));
        assert!(rng.permutation(0, 0).is_empty());
        assert_eq!(rng.permutation(0, 1), [0]);
        // Where item 0 of four lands, over 4000 steps: 1000 a place, within five standard deviations.
        let mut count = [0i32; 4];
        for step in 0..4000 {
            count[rng.permutation(step, 4).iter().position(|&v| v == 0).expect("a permutation")] += 1;
        }
        assert!(count.iter().all(|c| (c - 1000).abs() < 5 * 28), "{count:?}");
    }
}
