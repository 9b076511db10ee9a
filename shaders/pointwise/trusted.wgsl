fn trusted(g: f32, p: f32, ratio: f32, decay: f32) -> f32 {
    return select(g, (g + decay * p) * ratio, ratio > 0.0);
}
