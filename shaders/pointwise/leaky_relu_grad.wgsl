fn leaky_relu_grad(y: f32, dy: f32, slope: f32) -> f32 {
    return select(slope * dy, dy, y > 0.0);
}
