#import shared/color
// Sum of the luma of CHUNK pixels of an image, after the adjustments that come before its contrast: one
// invocation a chunk. Images whose contrast stays give 0.
override COUNT: u32;
override PIXELS: u32;
override C: u32;
override CHUNK: u32;
override CHUNKS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

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
    let n = i / CHUNKS;
    let row = n * ${COLUMNS}u;
    let jitter = Jitter(
        params[row + ${BRIGHTNESS}u],
        params[row + ${CONTRAST}u],
        params[row + ${SATURATION}u],
        params[row + ${HUE}u],
    );
    var acc = 0.0;
    if jitter.contrast != 1.0 {
        let first = i % CHUNKS * CHUNK;
        for (var k = first; k < min(first + CHUNK, PIXELS); k++) {
            let at = (n * PIXELS + k) * C;
            var p = vec3<f32>(x[at]);
            if C == 3u {
                p = vec3<f32>(x[at], x[at + 1u], x[at + 2u]);
            }
            for (var turn = 0u; turn < 4u; turn++) {
                let kind = u32(params[row + ${JITTER_ORDER}u + turn]);
                if kind == 1u {
                    break;
                }
                p = adjust(p, kind, jitter, 0.0, C);
            }
            acc += luma(p, C);
        }
    }
    sums[i] = acc;
}
