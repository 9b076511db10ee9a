fn prelu_slope_grad(x: f32, dy: f32) -> f32 {
    return select(0.0, x * dy, x < 0.0);
}
