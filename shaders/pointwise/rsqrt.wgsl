fn rsqrt(x: f32) -> f32 {
    return inverseSqrt(x);
}
