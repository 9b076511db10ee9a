#import shared/erfc

fn gelu(x: f32) -> f32 {
    let tail = 0.5 * x * erfc(abs(x) * 0.70710678);
    return select(x - tail, tail, x < 0.0);
}
