// [OUTER, R, INNER] -> [OUTER, CHUNKS, INNER]: sum (KIND 0), maximum (1), minimum (2), sum of squares (3) or of
// magnitudes (4) of CHUNK elements along R, first to last, one invocation each, times FACTOR. A second launch with
// CHUNKS = 1 finishes.
override KIND: u32;
override OUTER: u32;
override R: u32;
override INNER: u32;
override CHUNK: u32;
override CHUNKS: u32;
override FACTOR: f32 = 1.0;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= OUTER * CHUNKS * INNER {
        return;
    }
    let inner = i % INNER;
    let chunk = i / INNER % CHUNKS;
    let outer = i / INNER / CHUNKS;
    let first = chunk * CHUNK;
    let last = min(first + CHUNK, R);
    var at = (outer * R + first) * INNER + inner;
    var acc = x[at];
    if KIND == 3u {
        acc *= acc;
    } else if KIND == 4u {
        acc = abs(acc);
    }
    for (var k = first + 1u; k < last; k++) {
        at += INNER;
        let v = x[at];
        if KIND == 0u {
            acc += v;
        } else if KIND == 1u {
            acc = max(acc, v);
        } else if KIND == 2u {
            acc = min(acc, v);
        } else if KIND == 3u {
            acc += v * v;
        } else {
            acc += abs(v);
        }
    }
    y[i] = acc * FACTOR;
}
