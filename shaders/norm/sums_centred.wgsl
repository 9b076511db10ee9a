// Σ dy and Σ dy (x - mean) by channel, first stage.
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

fn center_of(c: u32) -> f32 {
    return mean[c];
}

fn factor(v: f32, m: f32) -> f32 {
    return v - m;
}

#import shared/channel_sums
