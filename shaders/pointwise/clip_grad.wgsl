fn clip_grad(x: f32, dy: f32) -> f32 {
    return select(0.0, dy, abs(x) <= 1.0);
}
