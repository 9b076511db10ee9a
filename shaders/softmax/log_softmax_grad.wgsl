// dy - exp(y) * sum dy of every row.
#import shared/rows

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = place(wid.x + wid.y * nwg.x, lane);
    var s = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        s += dy[i];
    }
    s = row_sum(lane, s);
    for (var i = p.first; i < p.end; i += LANES) {
        dx[i] = dy[i] - exp(y[i]) * s;
    }
}
