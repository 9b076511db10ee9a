fn sigmoid(x: f32) -> f32 {
    let t = exp(-abs(x));
    let r = 1.0 / (1.0 + t);
    return select(r, t * r, x < 0.0);
}
