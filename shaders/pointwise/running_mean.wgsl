fn running_mean(m: f32, x: f32, keep: f32, take: f32) -> f32 {
    return keep * m + take * x;
}
