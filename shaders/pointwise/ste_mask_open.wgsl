fn ste_mask_open(x: f32) -> f32 {
    return select(0.0, 1.0, abs(x) < 1.0);
}
