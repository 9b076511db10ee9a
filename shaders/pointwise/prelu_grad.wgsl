fn prelu_grad(x: f32, slope: f32, dy: f32) -> f32 {
    return select(slope * dy, dy, x > 0.0);
}
