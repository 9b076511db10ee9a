#import shared/erfc

fn gelu_grad(x: f32, dy: f32) -> f32 {
    let tail = 0.5 * erfc(abs(x) * 0.70710678);
    let cdf = select(1.0 - tail, tail, x < 0.0);
    return dy * (cdf + x * 0.39894228 * exp(-0.5 * x * x));
}
