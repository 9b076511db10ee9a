fn gate(flag: f32, made: f32, old: f32) -> f32 {
    return select(made, old, flag != 0.0);
}
