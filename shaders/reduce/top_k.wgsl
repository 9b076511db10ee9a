// The K largest of each row of N, largest first, equal ones by index; one invocation a row, which
// looks K times for the largest element behind the one before.
override ROWS: u32;
override N: u32;
override K: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> places: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (wid.x + wid.y * nwg.x) * 64u + lane;
    if row >= ROWS {
        return;
    }
    var last = 0.0;
    var last_at = 0u;
    for (var rank = 0u; rank < K; rank++) {
        var best = 0.0;
        var at = N;
        for (var i = 0u; i < N; i++) {
            let v = x[row * N + i];
            let behind = rank == 0u || v < last || (v == last && i > last_at);
            if behind && (at == N || v > best) {
                best = v;
                at = i;
            }
        }
        // Only rows with NaN find nothing.
        at = min(at, N - 1u);
        last = x[row * N + at];
        last_at = at;
        values[row * K + rank] = last;
        places[row * K + rank] = at;
    }
}
