fn add_scaled(a: f32, b: f32, factor: f32) -> f32 {
    return a + factor * b;
}
