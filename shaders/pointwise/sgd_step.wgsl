fn sgd_step(p: f32, direction: f32, lr: f32) -> f32 {
    return p - lr * direction;
}
