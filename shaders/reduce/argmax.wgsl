// Index of the first maximum along R of [OUTER, R, INNER], one invocation an output.
override COUNT: u32;
override R: u32;
override INNER: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

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
    let start = i / INNER * R * INNER + i % INNER;
    var best = x[start];
    var at = 0u;
    for (var k = 1u; k < R; k++) {
        let v = x[start + k * INNER];
        if v > best {
            best = v;
            at = k;
        }
    }
    y[i] = at;
}
