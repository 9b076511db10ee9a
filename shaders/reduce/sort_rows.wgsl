// Sorts each block of a row that is filled up with the least key to a power of two: blocks alternate between falling and
// rising, as the next step of the bitonic network wants them.
#import shared/keys
#import shared/bitonic

override ROWS: u32;
override N: u32;
override PADDED: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> keys: array<u32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let base = (wid.x + wid.y * nwg.x) * BLOCK;
    if base >= ROWS * PADDED {
        return;
    }
    let row = base / PADDED;
    let at = base % PADDED;
    for (var i = lane; i < BLOCK; i += LANES) {
        var k = 0u;
        if at + i < N {
            k = key(x[row * N + at + i]);
        }
        keys_here[i] = k;
    }
    workgroupBarrier();
    for (var run = 2u; run <= BLOCK; run *= 2u) {
        for (var distance = run / 2u; distance > 0u; distance /= 2u) {
            exchange(lane, at, run, distance);
        }
    }
    for (var i = lane; i < BLOCK; i += LANES) {
        keys[base + i] = keys_here[i];
    }
}
