//! Philox 4x32-10, the counter-based generator (Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011). A number depends on (seed, stream, step, index) and on nothing before it.

/// A stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// The stream `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mix = |s: u32, t: u32| s ^ t.wrapping_mul(0x9E37_79B9);
        Philox { key: [mix(seed as u32, stream as u32), mix((seed >> 32) as u32, (stream >> 32) as u32)] }
    }

    /// The key of the stream, for kernels that draw from it.
    pub fn key(&self) -> [u32; 2] {
        self.key
    }

    /// Four random words at (step, index).
    pub fn block(&self, step: u64, index: u64) -> [u32; 4] {
        let mut x = [index as u32, (index >> 32) as u32, step as u32, (step >> 32) as u32];
        let mut k = self.key;
        for _ in 0..10 {
            let (a, b) = (0xD251_1F53u64 * x[0] as u64, 0xCD9E_8D57u64 * x[2] as u64);
            x = [(b >> 32) as u32 ^ x[1] ^ k[0], b as u32, (a >> 32) as u32 ^ x[3] ^ k[1], a as u32];
            k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
        }
        x
    }

    /// Uniform in [0, 1), of 24 bits.
    pub fn uniform(&self, step: u64, index: u64) -> f32 {
        (self.block(step, index)[0] >> 8) as f32 * (1.0 / (1 << 24) as f32)
    }

    /// Normal (Box-Muller).
    pub fn normal(&self, step: u64, index: u64) -> f32 {
        let b = self.block(step, index);
        let u = ((b[0] >> 8) as f64 + 1.0) / (1 << 24) as f64;
        let v = (b[1] >> 8) as f64 / (1 << 24) as f64;
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }
}
