fn scale(x: f32, factor: f32) -> f32 {
    return x * factor;
}
