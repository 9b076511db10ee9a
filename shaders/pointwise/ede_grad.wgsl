fn ede_grad(x: f32, dy: f32, t: f32, k: f32) -> f32 {
    let th = tanh(clamp(t * x, -15.0, 15.0));
    return dy * k * t * (1.0 - th * th);
}
