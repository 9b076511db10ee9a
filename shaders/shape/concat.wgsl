// Copies rows of PART words to rows of ROW words, OFFSET words in.
override COUNT: u32;
override PART: u32;
override ROW: u32;
override OFFSET: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

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
    y[i / PART * ROW + OFFSET + i % PART] = x[i];
}
