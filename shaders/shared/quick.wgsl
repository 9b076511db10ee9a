// 1 / (1 + e^(-1.702 x)), from e^-|1.702 x| so that nothing overflows.
fn quick(x: f32) -> f32 {
    let t = exp(-abs(1.702 * x));
    let r = 1.0 / (1.0 + t);
    return select(r, t * r, x < 0.0);
}
