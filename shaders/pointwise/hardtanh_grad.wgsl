fn hardtanh_grad(y: f32, dy: f32) -> f32 {
    return select(0.0, dy, abs(y) < 1.0);
}
