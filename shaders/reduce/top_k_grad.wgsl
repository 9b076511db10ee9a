// dx of top_k: the gradient of the rank whose index this element is, else 0.
override COUNT: u32;
override N: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> places: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

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
    let row = i / N;
    var acc = 0.0;
    for (var k = 0u; k < K; k++) {
        if places[row * K + k] == i % N {
            acc += dy[row * K + k];
        }
    }
    dx[i] = acc;
}
