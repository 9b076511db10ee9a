fn running_square(v: f32, x: f32, keep: f32, take: f32) -> f32 {
    return keep * v + take * x * x;
}
