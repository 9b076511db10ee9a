// The element of each row of N that has a given ascending rank: one workgroup a row.
#import shared/keys
#import shared/radix

override ROWS: u32;
override N: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> rank: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn key_of(row: u32, i: u32) -> u32 {
    return key(x[row * N + i]);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.x + wid.y * nwg.x;
    if row >= ROWS {
        return;
    }
    select_key(row, lane, min(u32(max(rank[row], 0.0)), N - 1u), N);
    if lane == 0u {
        y[row] = number(found);
    }
}
