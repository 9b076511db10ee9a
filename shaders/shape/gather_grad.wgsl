// dx[r, c] = sum over k with index[k] = r of dy[k, c], in order of k: one invocation an element.
override COUNT: u32;
override ROWS: u32;
override COLUMNS: u32;
override PICKS: u32;

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

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
    let row = i / COLUMNS;
    let c = i % COLUMNS;
    var acc = 0.0;
    for (var k = 0u; k < PICKS; k++) {
        if index[k] == row {
            acc += dy[k * COLUMNS + c];
        }
    }
    dx[i] = acc;
}
