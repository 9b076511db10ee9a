fn moved_by(m: f32, x: f32, gamma: f32) -> f32 {
    return m + gamma * (x - m);
}
