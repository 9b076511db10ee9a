fn clamp_grad(x: f32, dy: f32, low: f32, high: f32) -> f32 {
    return select(0.0, dy, x >= low && x <= high);
}
