// The first N keys of every row, as numbers.
#import shared/keys

override ROWS: u32;
override N: u32;
override PADDED: u32;

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i < ROWS * N {
        y[i] = number(keys[i / N * PADDED + i % N]);
    }
}
