// exp(x - max) / sum exp(x - max) of every row.
#import shared/rows

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = place(wid.x + wid.y * nwg.x, lane);
    var m = -3.4e38;
    for (var i = p.first; i < p.end; i += LANES) {
        m = max(m, x[i]);
    }
    m = row_max(lane, m);
    var s = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        s += exp(x[i] - m);
    }
    s = row_sum(lane, s);
    for (var i = p.first; i < p.end; i += LANES) {
        y[i] = exp(x[i] - m) / s;
    }
}
