// The exponent, one higher where the mantissa is that of sqrt(2) or over it.
fn nearest_power_of_two(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let up = select(0u, 1u, (bits & 0x007fffffu) >= 0x003504f4u);
    return bitcast<f32>(((bits >> 23u) + up) << 23u);
}
