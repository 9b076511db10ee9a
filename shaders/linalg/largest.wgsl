// The largest magnitude of each line of numbers, over CHUNK of them at a time, as bits: infinite ones are larger than
// all numbers, and what is no number is larger still. Bits of magnitudes grow as these do.
override SETS: u32;
override LINES: u32;
override DEPTH: u32;
override CHUNK: u32;
override CHUNKS: u32;
// Words from one set, line and number to the next.
override SET_PITCH: u32;
override LINE_PITCH: u32;
override PITCH: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
// By chunk, set and line.
@group(0) @binding(1) var<storage, read_write> largest: array<u32>;

var<workgroup> found: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = wid.x + wid.y * nwg.x;
    let groups = (SETS * LINES + 15u) / 16u;
    let chunk = group / groups;
    // Neighbours read neighbours: of a line, or of several.
    let apart = LINE_PITCH > PITCH;
    let nth = select(lane / 16u, lane % 16u, apart);
    let own = select(lane % 16u, lane / 16u, apart);
    let line = group % groups * 16u + own;
    var most = 0u;
    if line < SETS * LINES {
        let first = line / LINES * SET_PITCH + line % LINES * LINE_PITCH;
        let last = min((chunk + 1u) * CHUNK, DEPTH);
        for (var k = chunk * CHUNK + nth; k < last; k += 16u) {
            most = max(most, x[first + k * PITCH] & 0x7fffffffu);
        }
    }
    found[own * 16u + nth] = most;
    workgroupBarrier();
    if nth == 0u && line < SETS * LINES && chunk < CHUNKS {
        for (var i = 1u; i < 16u; i++) {
            most = max(most, found[own * 16u + i]);
        }
        largest[chunk * SETS * LINES + line] = most;
    }
}
