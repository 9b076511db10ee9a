// [OUTER, R] -> [OUTER, CHUNKS]: sum (KIND 0), maximum (1), minimum (2), sum of squares (3) or of magnitudes (4)
// of CHUNK neighbouring elements, a workgroup each, times FACTOR. Lane l takes elements l, l + 256, ... in order; the lanes are then
// reduced in pairs. For devices with real workgroup memory.
override KIND: u32;
override OUTER: u32;
override R: u32;
override CHUNK: u32;
override CHUNKS: u32;
override FACTOR: f32 = 1.0;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

var<workgroup> lanes: array<f32, 256>;

fn reduce(a: f32, b: f32) -> f32 {
    if KIND == 0u || KIND >= 3u {
        return a + b;
    }
    return select(min(a, b), max(a, b), KIND == 1u);
}

fn load(at: u32) -> f32 {
    let v = x[at];
    return select(select(v, v * v, KIND == 3u), abs(v), KIND == 4u);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = wid.x + wid.y * nwg.x;
    let inside = group < OUTER * CHUNKS;
    let first = group % CHUNKS * CHUNK;
    let last = select(0u, min(first + CHUNK, R), inside);
    let row = group / CHUNKS * R;
    // Lanes without an element repeat the chunk's first one for extremes and add 0 to sums.
    var acc = 0.0;
    if first < last && (KIND == 1u || KIND == 2u || lane < last - first) {
        acc = load(row + select(first, first + lane, lane < last - first));
    }
    for (var k = first + lane + 256u; k < last; k += 256u) {
        acc = reduce(acc, load(row + k));
    }
    lanes[lane] = acc;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lanes[lane] = reduce(lanes[lane], lanes[lane + half]);
        }
    }
    if inside && lane == 0u {
        y[group] = lanes[0] * FACTOR;
    }
}
