fn stand_in(leaf: f32, moved: f32) -> f32 {
    return moved;
}
