#import shared/quick

fn quick_gelu_grad(x: f32, dy: f32) -> f32 {
    return dy * quick(x) * (1.0 + 1.702 * x * quick(-x));
}
