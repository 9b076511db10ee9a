#import pointwise/random_uniform
fn dropout(e: u32, x: f32, step: f32, k0l: f32, k0h: f32, k1l: f32, k1h: f32, p: f32, factor: f32) -> f32 {
    return select(0.0, x * factor, random_uniform(e, step, k0l, k0h, k1l, k1h, 8.0) >= p);
}
