// x / max(|x|, EPS) of every row, and 1 / max(|x|, EPS).
#import shared/rows

override EPS: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> inv_norm: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = place(wid.x + wid.y * nwg.x, lane);
    var s = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        s += x[i] * x[i];
    }
    let f = 1.0 / max(sqrt(row_sum(lane, s)), EPS);
    for (var i = p.first; i < p.end; i += LANES) {
        y[i] = x[i] * f;
    }
    if p.stores {
        inv_norm[p.row] = f;
    }
}
