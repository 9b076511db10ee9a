fn added_up(sum: f32, x: f32, adds: f32) -> f32 {
    return select(x, sum + x, adds > 0.0);
}
