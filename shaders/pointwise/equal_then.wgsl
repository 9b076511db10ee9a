fn equal_then(a: f32, b: f32, v: f32) -> f32 {
    return select(0.0, v, a == b);
}
