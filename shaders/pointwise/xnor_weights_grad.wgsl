fn xnor_weights_grad(w: f32, dy: f32, alpha: f32, n: f32, factor: f32) -> f32 {
    return dy * ((select(0.0, n, abs(w) < 1.0) + 1.0 / alpha) * factor);
}
