fn hardtanh(x: f32) -> f32 {
    return select(select(x, 1.0, x > 1.0), -1.0, x < -1.0);
}
