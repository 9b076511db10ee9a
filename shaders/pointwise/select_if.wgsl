fn select_if(condition: f32, a: f32, b: f32) -> f32 {
    return select(a, b, condition == 0.0);
}
