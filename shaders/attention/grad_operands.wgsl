// What both gradients of attention read.
#if PACKED

@group(0) @binding(0) var<storage, read> packed: array<f32>;
@group(0) @binding(1) var<storage, read> along: array<f32>;

fn query(i: u32) -> f32 {
    return packed[i];
}

fn key(i: u32) -> f32 {
    return packed[PAIRS * QUERIES * D + i];
}

fn value(i: u32) -> f32 {
    return packed[PAIRS * (QUERIES + KEYS) * D + i];
}

fn slope(i: u32) -> f32 {
    return packed[PAIRS * (QUERIES + 2u * KEYS) * D + i];
}

fn log_sum_of(i: u32) -> f32 {
    return packed[PAIRS * 2u * (QUERIES + KEYS) * D + i];
}
#else

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> log_sum: array<f32>;
@group(0) @binding(5) var<storage, read> along: array<f32>;

fn query(i: u32) -> f32 {
    return q[i];
}

fn key(i: u32) -> f32 {
    return k[i];
}

fn value(i: u32) -> f32 {
    return v[i];
}

fn slope(i: u32) -> f32 {
    return dy[i];
}

fn log_sum_of(i: u32) -> f32 {
    return log_sum[i];
}
#end
