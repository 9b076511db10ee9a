// Adds GROUP neighbouring partial sums: [2, PARTS, COLUMNS] -> [2, GROUPS, COLUMNS].
override COLUMNS: u32;
override PARTS: u32;
override GROUP: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> folded: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= 2u * GROUPS * COLUMNS {
        return;
    }
    let c = i % COLUMNS;
    let group = i / COLUMNS % GROUPS;
    let base = i / COLUMNS / GROUPS * PARTS;
    let last = min((group + 1u) * GROUP, PARTS);
    var s = 0.0;
    for (var p = group * GROUP; p < last; p++) {
        s += partial[(base + p) * COLUMNS + c];
    }
    folded[i] = s;
}
