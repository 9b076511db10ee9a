// (x - mean) / sqrt(var + EPS) of every row, and 1 / sqrt(var + EPS).
#import shared/rows

override EPS: f32;
// 1 for the unbiased variance, which divides by one less.
override TAKEN: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> inv_std: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = place(wid.x + wid.y * nwg.x, lane);
    var s = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        s += x[i];
    }
    let mean = row_sum(lane, s) / f32(COLUMNS);
    var q = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        let d = x[i] - mean;
        q += d * d;
    }
    let inv = inverseSqrt(row_sum(lane, q) / f32(COLUMNS - TAKEN) + EPS);
    for (var i = p.first; i < p.end; i += LANES) {
        y[i] = (x[i] - mean) * inv;
    }
    if p.stores {
        inv_std[p.row] = inv;
    }
}
