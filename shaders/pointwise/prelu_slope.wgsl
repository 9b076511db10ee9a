fn prelu_slope(x: f32, dy: f32) -> f32 {
    return select(dy, 0.0, x > 0.0);
}
