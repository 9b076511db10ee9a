fn offset(x: f32, term: f32) -> f32 {
    return x + term;
}
