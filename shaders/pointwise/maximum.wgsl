fn maximum(a: f32, b: f32) -> f32 {
    return select(b, a, a >= b);
}
