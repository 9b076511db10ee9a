// Σ dy and Σ dy min(x, 0) by channel, first stage.
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

fn center_of(c: u32) -> f32 {
    return 0.0;
}

fn factor(v: f32, m: f32) -> f32 {
    return min(v, 0.0);
}

#import shared/channel_sums
