fn decay_by(p: f32, lr: f32, decay: f32) -> f32 {
    return p * (1.0 - lr * decay);
}
