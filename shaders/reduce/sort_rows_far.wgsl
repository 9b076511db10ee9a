// The exchanges of one step of the bitonic network between keys DISTANCE apart, which lie in different blocks.
override ROWS: u32;
override PADDED: u32;
override RUN: u32;
override DISTANCE: u32;

@group(0) @binding(0) var<storage, read_write> keys: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pair = (wid.x + wid.y * nwg.x) * 64u + lane;
    if pair >= ROWS * (PADDED / 2u) {
        return;
    }
    let low = pair & (DISTANCE - 1u);
    let a = ((pair - low) << 1u) + low;
    let x = keys[a];
    let y = keys[a + DISTANCE];
    let falling = (a & (PADDED - 1u) & RUN) == 0u;
    if (x < y) == falling {
        keys[a] = y;
        keys[a + DISTANCE] = x;
    }
}
