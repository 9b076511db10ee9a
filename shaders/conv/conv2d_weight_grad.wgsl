// Partial dw from dy and x: one invocation a weight and a chunk of output pixels. `sum_partials`
// adds the chunks in order.
#import shared/conv
override CHUNK: u32;
override CHUNKS: u32;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let ci = CI / GROUPS;
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= CHUNKS * O * KH * KW * ci {
        return;
    }
    let c = i % ci;
    let kx = i / ci % KW;
    let ky = i / ci / KW % KH;
    let o = i / ci / KW / KH % O;
    let chunk = i / ci / KW / KH / O;
    let channel = o / (O / GROUPS) * ci + c;
    let last = min((chunk + 1u) * CHUNK, NB * OH * OW);
    var sum = 0.0;
    for (var p = chunk * CHUNK; p < last; p++) {
        let ix = p % OW * STRIDE + kx * DILATION;
        let iy = p / OW % OH * STRIDE + ky * DILATION;
        if ix < PADDING || ix >= W + PADDING || iy < PADDING || iy >= H + PADDING {
            continue;
        }
        let n = p / OW / OH;
        sum += dy[p * O + o] * x[((n * H + iy - PADDING) * W + ix - PADDING) * CI + channel];
    }
    partial[i] = sum;
}
