fn trust_ratio(pp: f32, gg: f32, lr: f32, trust: f32, decay: f32, eps: f32, clip: f32) -> f32 {
    let p = sqrt(pp);
    let g = sqrt(gg);
    if !(p > 0.0 && g > 0.0) {
        return 0.0;
    }
    let ratio = trust * p / (g + decay * p + eps);
    return select(ratio, min(ratio / lr, 1.0), clip != 0.0);
}
