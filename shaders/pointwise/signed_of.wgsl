fn signed_of(bit: f32) -> f32 {
    return bit + bit - 1.0;
}
