// What is left of u when whole periods of 2 are taken away, from -1 to 1.
fn within_period(u: f32) -> f32 {
    return u - 2.0 * round(u * 0.5);
}

// sin(pi s) for s from -1/2 to 1/2: Taylor's polynomial to the eleventh power.
fn half_period_sine(s: f32) -> f32 {
    let z = s * s;
    return s * (3.1415927 + z * (-5.167713 + z * (2.550164 + z * (-0.5992645 + z * (0.08214589 + z * -0.007370431)))));
}
