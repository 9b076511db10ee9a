fn broadcast_to(x: f32) -> f32 {
    return x;
}
