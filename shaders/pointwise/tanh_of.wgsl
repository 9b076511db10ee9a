fn tanh_of(x: f32) -> f32 {
    let s = x * x;
    let near = x * (1.0 + s * (-0.33333334 + s * (0.13333334 + s * (-0.053968254 + s * 0.021869488))));
    let t = exp(-2.0 * abs(x));
    let far = (1.0 - t) / (1.0 + t);
    return select(select(far, -far, x < 0.0), near, abs(x) < 0.25);
}
