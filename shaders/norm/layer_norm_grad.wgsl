// inv_std * (dy - mean(dy) - y * sum(dy * y) / n) of every row, y being the normalised row.
#import shared/rows

// 1 if the variance is unbiased.
override TAKEN: u32;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> inv_std: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = place(wid.x + wid.y * nwg.x, lane);
    var a = 0.0;
    var b = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        a += dy[i];
        b += dy[i] * y[i];
    }
    let level = row_sum(lane, a) / f32(COLUMNS);
    let slope = row_sum(lane, b) / f32(COLUMNS - TAKEN);
    let inv = inv_std[p.row];
    for (var i = p.first; i < p.end; i += LANES) {
        dx[i] = inv * (dy[i] - level - y[i] * slope);
    }
}
