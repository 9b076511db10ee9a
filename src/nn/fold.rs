//! Batch normalisation and sign folded into one comparison of an integer (specification of the binary layers, section 7).

/// When the sign of `gamma (alpha y - mean) / sqrt(var + eps) + beta` is +1, as a question about the integer y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fold {
    /// `y >= t`.
    AtLeast(f64),
    /// `y <= t`.
    AtMost(f64),
    /// Always, or never.
    Constant(bool),
}

impl Fold {
    /// Of one channel; `variance` includes eps, `alpha` is positive. Exact where the arithmetic of f64 is.
    pub fn new(gamma: f64, beta: f64, mean: f64, variance: f64, alpha: f64) -> Fold {
        if gamma == 0.0 {
            return Fold::Constant(beta >= 0.0);
        }
        let t = (mean - beta * variance.sqrt() / gamma) / alpha;
        if gamma > 0.0 { Fold::AtLeast(t) } else { Fold::AtMost(t) }
    }

    /// The sign's bit.
    pub fn bit(self, y: i64) -> bool {
        match self {
            Fold::AtLeast(t) => y as f64 >= t,
            Fold::AtMost(t) => y as f64 <= t,
            Fold::Constant(bit) => bit,
        }
    }

    /// The same by x, the number of differing bits among n valid ones: `y = n - 2 x`.
    pub fn bit_of_count(self, n: i64, x: i64) -> bool {
        match self {
            Fold::AtLeast(t) => x as f64 <= ((n as f64 - t) / 2.0).floor(),
            Fold::AtMost(t) => x as f64 >= ((n as f64 - t) / 2.0).ceil(),
            Fold::Constant(bit) => bit,
        }
    }

    /// Of a maximum over some y, from the bits of each: pooling before the normalisation is OR, or AND where gamma is
    /// negative.
    pub fn pooled(self, bits: &[bool]) -> bool {
        match self {
            Fold::AtMost(_) => bits.iter().all(|b| *b),
            Fold::AtLeast(_) | Fold::Constant(_) => bits.iter().any(|b| *b),
        }
    }
}
