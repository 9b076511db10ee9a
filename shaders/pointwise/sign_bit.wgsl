fn sign_bit(x: f32) -> f32 {
    return select(0.0, 1.0, x >= 0.0);
}
