// Sums of dy and of dy * factor(row, c) over CHUNK rows of a channel, one invocation each:
// [ROWS, COLUMNS] -> [2, CHUNKS, COLUMNS].
#import shared/load_f32_or_i16

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= CHUNKS * COLUMNS {
        return;
    }
    let c = i % COLUMNS;
    let first = i / COLUMNS * CHUNK;
    let last = min(first + CHUNK, ROWS);
    let m = center_of(c);
    var a = 0.0;
    var b = 0.0;
    var row = first;
    for (; row + 4u <= last; row += 4u) {
        let at = row * COLUMNS + c;
        let dy0 = dy[at];
        let dy1 = dy[at + COLUMNS];
        let dy2 = dy[at + 2u * COLUMNS];
        let dy3 = dy[at + 3u * COLUMNS];
        a += (dy0 + dy1) + (dy2 + dy3);
        b += (dy0 * factor(load(row, c), m) + dy1 * factor(load(row + 1u, c), m))
            + (dy2 * factor(load(row + 2u, c), m) + dy3 * factor(load(row + 3u, c), m));
    }
    for (; row < last; row++) {
        let d = dy[row * COLUMNS + c];
        a += d;
        b += d * factor(load(row, c), m);
    }
    partial[i] = a;
    partial[CHUNKS * COLUMNS + i] = b;
}
