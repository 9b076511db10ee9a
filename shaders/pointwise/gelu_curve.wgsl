fn gelu_curve(x: f32) -> f32 {
    return 0.39894228 * exp(-0.5 * x * x) * (2.0 - x * x);
}
