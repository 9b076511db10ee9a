fn scale_shift(x: f32, a: f32, b: f32) -> f32 {
    return x * a + b;
}
