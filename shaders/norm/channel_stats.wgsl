// Mean and sum of squared deviations of CHUNK rows of a channel, one invocation each. Deviations
// are taken from the chunk's first row, so that a large mean does not cancel.
#import shared/load_f32_or_i16

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= CHUNKS * COLUMNS {
        return;
    }
    let c = i % COLUMNS;
    let first = i / COLUMNS * CHUNK;
    let last = min(first + CHUNK, ROWS);
    let shift = load(first, c);
    var s = 0.0;
    var q = 0.0;
    var row = first;
    for (; row + 4u <= last; row += 4u) {
        let d0 = load(row, c) - shift;
        let d1 = load(row + 1u, c) - shift;
        let d2 = load(row + 2u, c) - shift;
        let d3 = load(row + 3u, c) - shift;
        s += (d0 + d1) + (d2 + d3);
        q += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
    for (; row < last; row++) {
        let d = load(row, c) - shift;
        s += d;
        q += d * d;
    }
    let n = f32(last - first);
    mean[i] = shift + s / n;
    squares[i] = max(q - s * (s / n), 0.0);
}
