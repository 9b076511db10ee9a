fn bop_turn(w: f32, m: f32, threshold: f32) -> f32 {
    let s = select(1.0, -1.0, w < 0.0);
    return select(s, -s, s * m > threshold);
}
