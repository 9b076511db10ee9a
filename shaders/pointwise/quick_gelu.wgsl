#import shared/quick

fn quick_gelu(x: f32) -> f32 {
    return x * quick(x);
}
