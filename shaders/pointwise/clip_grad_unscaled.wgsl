fn clip_grad_unscaled(w: f32, dy: f32, alpha: f32) -> f32 {
    return select(0.0, dy / max(alpha, 1e-30), abs(w) <= 1.0);
}
