fn square_wave(u: f32) -> f32 {
    let whole = floor(u);
    return select(-1.0, 1.0, whole == 2.0 * floor(whole * 0.5));
}
