// Combines GROUP neighbouring partial results, each of SPAN rows (the last of fewer), by Chan's
// formula. FINAL = 1 divides the sum of squared deviations by the number of rows.
override ROWS: u32;
override COLUMNS: u32;
override SPAN: u32;
override PARTS: u32;
override GROUP: u32;
override GROUPS: u32;
override FINAL: u32;

@group(0) @binding(0) var<storage, read> part_mean: array<f32>;
@group(0) @binding(1) var<storage, read> part_squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> squares: array<f32>;

fn rows_of(part: u32) -> f32 {
    return f32(min(SPAN, ROWS - part * SPAN));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= GROUPS * COLUMNS {
        return;
    }
    let c = i % COLUMNS;
    let first = i / COLUMNS * GROUP;
    let last = min(first + GROUP, PARTS);
    let rows = f32(min(last * SPAN, ROWS) - first * SPAN);
    let shift = part_mean[first * COLUMNS + c];
    var s = 0.0;
    for (var p = first + 1u; p < last; p++) {
        s += rows_of(p) * (part_mean[p * COLUMNS + c] - shift);
    }
    let center = shift + s / rows;
    var q = 0.0;
    for (var p = first; p < last; p++) {
        let d = part_mean[p * COLUMNS + c] - center;
        q += part_squares[p * COLUMNS + c] + rows_of(p) * d * d;
    }
    mean[i] = center;
    squares[i] = select(q, q / rows, FINAL == 1u);
}
