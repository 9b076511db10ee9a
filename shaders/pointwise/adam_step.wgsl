fn adam_step(p: f32, m: f32, v: f32, lr: f32, c1: f32, c2: f32, eps: f32) -> f32 {
    return p - lr * c1 * m / (sqrt(v) * c2 + eps);
}
