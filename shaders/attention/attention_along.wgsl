// Σ dy y over the channels of each head of a query: what a softmax's gradient takes off.
override COUNT: u32;
override D: u32;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> along: array<f32>;

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
    var sum = 0.0;
    for (var c = 0u; c < D; c++) {
        sum += dy[i * D + c] * y[i * D + c];
    }
    along[i] = sum;
}
