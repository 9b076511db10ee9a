// The exchanges of one step of the bitonic network that stay within a block.
#import shared/bitonic

override ROWS: u32;
override PADDED: u32;
override RUN: u32;

@group(0) @binding(0) var<storage, read_write> keys: array<u32>;

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
    for (var i = lane; i < BLOCK; i += LANES) {
        keys_here[i] = keys[base + i];
    }
    workgroupBarrier();
    for (var distance = BLOCK / 2u; distance > 0u; distance /= 2u) {
        exchange(lane, base % PADDED, RUN, distance);
    }
    for (var i = lane; i < BLOCK; i += LANES) {
        keys[base + i] = keys_here[i];
    }
}
