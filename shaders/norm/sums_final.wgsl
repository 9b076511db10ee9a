// Adds the last partial sums: [2, PARTS, COLUMNS] -> two of [COLUMNS].
override COLUMNS: u32;
override PARTS: u32;

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> first: array<f32>;
@group(0) @binding(2) var<storage, read_write> second: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = (wid.x + wid.y * nwg.x) * 64u + lane;
    if c >= COLUMNS {
        return;
    }
    var a = 0.0;
    var b = 0.0;
    for (var p = 0u; p < PARTS; p++) {
        a += partial[p * COLUMNS + c];
        b += partial[(PARTS + p) * COLUMNS + c];
    }
    first[c] = a;
    second[c] = b;
}
