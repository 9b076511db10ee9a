// The complementary error function for z >= 0, with a relative error of 1.2e-7 before rounding:
// rational Chebyshev approximation of Press et al., Numerical Recipes, section 6.2.
fn erfc(z: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.5 * z);
    var p = t * 0.17087277 - 0.82215223;
    p = t * p + 1.48851587;
    p = t * p - 1.13520398;
    p = t * p + 0.27886807;
    p = t * p - 0.18628806;
    p = t * p + 0.09678418;
    p = t * p + 0.37409196;
    p = t * p + 1.00002368;
    p = t * p - 1.26551223;
    return t * exp(p - z * z);
}
