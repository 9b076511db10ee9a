//! Exponentials that compilers make vectors of: the libraries' are calls, one number at a time.

/// e^x, off by at most 3 EPS of it (1.8e-7); 0 below -87.3, where a normal f32 ends, and infinite over 88.7. A NaN stays one.
///
/// `x = n ln 2 + r`, |r| <= ln 2 / 2, and e^r by a polynomial of degree 7 (Moshier, Cephes Math Library, expf).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// Adding it leaves the nearest integer in the lowest bits.
    const SHIFT: f32 = 12_582_912.0;
    let near = x.clamp(-88.0, 89.0);
    let shifted = near * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    // ln 2 in two parts, of which the first has few bits: its product with n is exact.
    let r = near - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + c;
    }
    let e = p * r * r + r + 1.0;
    // 2^n in two factors, as 2^128 is no f32.
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23) as u32);
    let n = (shifted.to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32);
    let half = n >> 1;
    let y = e * power(half) * power(n.wrapping_sub(half));
    if x < -87.33 { 0.0 } else { y }
}

/// 1 - erf(z) for z >= 0, with a relative error of 1.2e-7 and that of [`exp`]: rational Chebyshev approximation of Press et al.,
/// Numerical Recipes, section 6.2.
#[inline(always)]
pub(crate) fn erfc(z: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut p = 0.170_872_77;
    for c in
        [-0.822_152_2, 1.488_515_9, -1.135_204, 0.278_868_07, -0.186_288_06, 0.096_784_18, 0.374_091_96, 1.000_023_7]
    {
        p = t * p + c;
    }
    t * exp(t * p - 1.265_512_2 - z * z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_near_those_of_the_library() {
        let mut worst: f64 = 0.0;
        for i in -873_000..=887_000 {
            let x = i as f32 * 1e-4;
            let exact = libm::exp(f64::from(x));
            worst = worst.max((f64::from(exp(x)) / exact - 1.0).abs());
        }
        assert!(worst < 1.8e-7, "{worst:e}");
        assert_eq!([exp(-88.0), exp(f32::NEG_INFINITY), exp(0.0)], [0.0, 0.0, 1.0]);
        assert!(exp(89.0) == f32::INFINITY && exp(f32::INFINITY) == f32::INFINITY && exp(f32::NAN).is_nan());
    }

    #[test]
    fn tails_of_the_normal_distribution_are_near_those_of_the_library() {
        for i in 0..9000 {
            let z = i as f32 * 1e-3;
            let exact = libm::erfc(f64::from(z));
            // The exponent is rounded: z² + 1.27 units.
            let bound = (30.0 + 12.0 * f64::from(z * z)) * 2f64.powi(-24);
            let error = (f64::from(erfc(z)) / exact - 1.0).abs();
            assert!(error < bound || exact < 1e-37, "erfc({z}): {error:e}");
        }
    }
}
