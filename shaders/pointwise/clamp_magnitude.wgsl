fn clamp_magnitude(x: f32, low: f32, high: f32) -> f32 {
    let m = clamp(abs(x), low, high);
    return select(m, -m, x < 0.0);
}
