fn abs_of(x: f32) -> f32 {
    return abs(x);
}
