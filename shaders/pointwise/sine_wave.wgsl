#import shared/half_periods

fn sine_wave(u: f32) -> f32 {
    let r = within_period(u);
    return half_period_sine(select(r, sign(r) - r, abs(r) > 0.5));
}
