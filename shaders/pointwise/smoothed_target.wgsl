fn smoothed_target(e: u32, label: f32, classes: f32, hot: f32, cold: f32) -> f32 {
    return select(cold, hot, f32(e % u32(classes)) == label);
}
