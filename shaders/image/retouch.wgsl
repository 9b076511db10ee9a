#import shared/color
// One retouch of each image, whose kind and numbers stand in a slot of its parameters: one invocation a pixel.
override COUNT: u32;
override H: u32;
override W: u32;
override C: u32;
override SLOT: u32;
override BILINEAR: u32;
override FILL: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> statistics: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn at(n: u32, row: i32, column: i32, channel: u32) -> f32 {
    if row < 0 || column < 0 || row >= i32(H) || column >= i32(W) {
        return FILL;
    }
    return x[((n * H + u32(row)) * W + u32(column)) * C + channel];
}

// Number `k` of the slot, from 1 on.
fn number(n: u32, k: u32) -> f32 {
    return params[n * ${COLUMNS}u + SLOT + k];
}

// The mean of a pixel and its neighbours, the pixel itself counting five times (Pillow's SMOOTH).
fn softened(n: u32, row: i32, column: i32, channel: u32) -> f32 {
    var sum = 0.0;
    for (var dy = -1; dy <= 1; dy++) {
        for (var dx = -1; dx <= 1; dx++) {
            sum += at(n, row + dy, column + dx, channel);
        }
    }
    return (sum + 4.0 * at(n, row, column, channel)) / 13.0;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= COUNT {
        return;
    }
    let n = i / W / H;
    let row = i32(i / W % H);
    let column = i32(i % W);
    let kind = u32(number(n, 0u));
    if kind == ${WARP}u {
        let dx = f32(column) + 0.5 - 0.5 * f32(W);
        let dy = f32(row) + 0.5 - 0.5 * f32(H);
        let sx = number(n, 1u) * dx + number(n, 2u) * dy + number(n, 3u) + (0.5 * f32(W) - 0.5);
        let sy = number(n, 4u) * dx + number(n, 5u) * dy + number(n, 6u) + (0.5 * f32(H) - 0.5);
        let left = i32(floor(sx));
        let top = i32(floor(sy));
        let tx = sx - floor(sx);
        let ty = sy - floor(sy);
        for (var c = 0u; c < C; c++) {
            if BILINEAR == 1u {
                let upper = mix(at(n, top, left, c), at(n, top, left + 1, c), tx);
                let lower = mix(at(n, top + 1, left, c), at(n, top + 1, left + 1, c), tx);
                y[i * C + c] = mix(upper, lower, ty);
            } else {
                y[i * C + c] = at(n, i32(round(sy)), i32(round(sx)), c);
            }
        }
        return;
    }
    let first = i * C;
    if kind == ${KEEP}u {
        for (var c = 0u; c < C; c++) {
            y[first + c] = x[first + c];
        }
        return;
    }
    var p = vec3<f32>(x[first]);
    if C == 3u {
        p = vec3<f32>(x[first], x[first + 1u], x[first + 2u]);
    }
    let amount = number(n, 1u);
    let known = n * ${STATISTICS}u;
    switch kind {
        case ${BRIGHTER}u: { p = clamp(p * amount, vec3<f32>(0.0), vec3<f32>(1.0)); }
        case ${COLOURED}u: { p = blend(p, luma(p, C), amount); }
        case ${CONTRASTED}u: { p = blend(p, statistics[known], amount); }
        case ${SHARPENED}u: {
            if row > 0 && column > 0 && row + 1 < i32(H) && column + 1 < i32(W) {
                for (var c = 0u; c < C; c++) {
                    p[c] += (1.0 - amount) * (softened(n, row, column, c) - p[c]);
                }
            }
            p = clamp(p, vec3<f32>(0.0), vec3<f32>(1.0));
        }
        case ${POSTERIZED}u: { p = clamp(floor(p * amount), vec3<f32>(0.0), vec3<f32>(amount - 1.0)) / amount; }
        case ${SOLARIZED}u: { p = select(p, 1.0 - p, p >= vec3<f32>(amount)); }
        case ${STRETCHED}u: {
            for (var c = 0u; c < C; c++) {
                let low = statistics[known + 1u + c];
                let range = statistics[known + 4u + c] - low;
                if range > 0.0 {
                    p[c] = (p[c] - low) / range;
                }
            }
            p = clamp(p, vec3<f32>(0.0), vec3<f32>(1.0));
        }
        case ${EQUALIZED}u: {
            for (var c = 0u; c < C; c++) {
                p[c] = statistics[known + 7u + c * 256u + level_of(p[c])];
            }
        }
        default: {}
    }
    y[first] = p.x;
    if C == 3u {
        y[first + 1u] = p.y;
        y[first + 2u] = p.z;
    }
}
