fn rsqrt_grad(y: f32, dy: f32) -> f32 {
    return -0.5 * dy * y * y * y;
}
