fn approx_sign_grad(x: f32, dy: f32) -> f32 {
    return dy * max(0.0, 2.0 - 2.0 * abs(x));
}
