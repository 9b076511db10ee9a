//! Comparison with numbers that were made elsewhere.

/// Fails unless there are as many numbers as expected and each is within `bound` of the one expected there, which it is
/// given. `label` says what they are and where they were made.
pub fn near(label: &str, got: &[f64], expected: &[f64], bound: impl Fn(f64) -> f64) {
    assert_eq!(got.len(), expected.len(), "{label}");
    for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
        let bound = bound(e);
        assert!((g - e).abs() <= bound, "{label}[{i}]: {g:e} instead of {e:e}, which may differ by {bound:e}");
    }
}
