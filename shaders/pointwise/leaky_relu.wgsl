fn leaky_relu(x: f32, slope: f32) -> f32 {
    return select(x, slope * x, x < 0.0);
}
