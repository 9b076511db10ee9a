//! Numbers over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean and standard deviation of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, squares divided by their number less one; `None` for fewer than two.
    pub std: Option<f64>,
}

impl Spread {
    /// Of these numbers; `None` of none.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Some(Spread { n, mean, std: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()) })
    }

    /// Half the width of the interval that holds the mean of what these numbers were drawn from with probability
    /// [`CONFIDENCE`], if it is normal: Student's t with n - 1 degrees of freedom, times std / sqrt(n).
    pub fn half_interval(&self) -> Option<f64> {
        let t = StudentsT::new(0.0, 1.0, self.n.checked_sub(1)? as f64).ok()?;
        Some(t.inverse_cdf(0.5 + 0.5 * CONFIDENCE) * self.std? / (self.n as f64).sqrt())
    }
}

/// The probability of intervals.
pub const CONFIDENCE: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // Gosset's own example (Biometrika 1908, p. 20): hours of sleep gained by two drugs, paired by patient. R's t.test of
        // these differences gives 0.7001142 to 2.4598858.
        let gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];
        let s = Spread::of(&gained).unwrap();
        let half = s.half_interval().unwrap();
        assert!((s.mean - 1.58).abs() < 1e-12 && (s.std.unwrap() - 1.229995).abs() < 1e-6, "{s:?}");
        assert!((s.mean - half - 0.7001142).abs() < 1e-6 && (s.mean + half - 2.4598858).abs() < 1e-6, "{half}");
        // The table's 12.706 for one degree of freedom.
        let two = Spread::of(&[0.0, 2f64.sqrt()]).unwrap();
        assert!((two.half_interval().unwrap() - 12.7062 / 2f64.sqrt()).abs() < 1e-4);
        let one = Spread::of(&[3.0]).unwrap();
        assert_eq!((one.std, one.half_interval(), Spread::of(&[])), (None, None, None));
    }
}
