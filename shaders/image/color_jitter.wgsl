#import shared/color
// The colour adjustments of a pixel in its image's order (if JITTER), then grey (if GRAYSCALE and the
// flag is up): one invocation a pixel. `sums` holds each image's luma before its contrast.
override COUNT: u32;
override PIXELS: u32;
override C: u32;
override JITTER: u32;
override GRAYSCALE: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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
    let n = i / PIXELS;
    let row = n * ${COLUMNS}u;
    var p = vec3<f32>(x[i * C]);
    if C == 3u {
        p = vec3<f32>(x[i * C], x[i * C + 1u], x[i * C + 2u]);
    }
    if JITTER == 1u {
        let jitter = Jitter(
            params[row + ${BRIGHTNESS}u],
            params[row + ${CONTRAST}u],
            params[row + ${SATURATION}u],
            params[row + ${HUE}u],
        );
        let mean = sums[n] / f32(PIXELS);
        for (var turn = 0u; turn < 4u; turn++) {
            p = adjust(p, u32(params[row + ${JITTER_ORDER}u + turn]), jitter, mean, C);
        }
    }
    if GRAYSCALE == 1u && params[row + ${GRAY}u] != 0.0 {
        p = vec3<f32>(luma(p, C));
    }
    y[i * C] = p.x;
    if C == 3u {
        y[i * C + 1u] = p.y;
        y[i * C + 2u] = p.z;
    }
}
