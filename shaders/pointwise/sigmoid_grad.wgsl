fn sigmoid_grad(y: f32, dy: f32) -> f32 {
    return dy * y * (1.0 - y);
}
