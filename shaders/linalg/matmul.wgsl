// C[b, m, n] = op(A) op(B), one invocation an element.
override BATCH: u32;
override M: u32;
override N: u32;
override K: u32;
override TA: u32;
override TB: u32;
override BATCHED_A: u32;
override BATCHED_B: u32;

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= BATCH * M * N {
        return;
    }
    let n = i % N;
    let m = i / N % M;
    let batch = i / N / M;
    let ka = select(1u, M, TA == 1u);
    let kb = select(N, 1u, TB == 1u);
    var at_a = batch * BATCHED_A * M * K + select(m * K, m, TA == 1u);
    var at_b = batch * BATCHED_B * K * N + select(n, n * K, TB == 1u);
    var sum = 0.0;
    for (var k = 0u; k < K; k++) {
        sum += a[at_a] * b[at_b];
        at_a += ka;
        at_b += kb;
    }
    c[i] = sum;
}
