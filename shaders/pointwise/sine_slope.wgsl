#import shared/half_periods

fn sine_slope(u: f32, dy: f32) -> f32 {
    return dy * 3.1415927 * half_period_sine(0.5 - abs(within_period(u)));
}
