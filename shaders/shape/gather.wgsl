// y[k, c] = x[index[k], c]; zeros for numbers from ROWS on. Words are moved unread.
override COUNT: u32;
override ROWS: u32;
override COLUMNS: u32;
override PICKS: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

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
    let row = index[i / COLUMNS];
    var word = 0u;
    if row < ROWS {
        word = x[row * COLUMNS + i % COLUMNS];
    }
    y[i] = word;
}
