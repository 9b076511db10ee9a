// Convolution, one invocation an output element.
#import shared/conv

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= NB * OH * OW * O {
        return;
    }
    let o = i % O;
    let ox = i / O % OW;
    let oy = i / O / OW % OH;
    let n = i / O / OW / OH;
    let ci = CI / GROUPS;
    let first = o / (O / GROUPS) * ci;
    var sum = 0.0;
    for (var ky = 0u; ky < KH; ky++) {
        let iy = oy * STRIDE + ky * DILATION;
        if iy < PADDING || iy >= H + PADDING {
            continue;
        }
        for (var kx = 0u; kx < KW; kx++) {
            let ix = ox * STRIDE + kx * DILATION;
            if ix < PADDING || ix >= W + PADDING {
                continue;
            }
            let at_x = ((n * H + iy - PADDING) * W + ix - PADDING) * CI + first;
            let at_w = ((o * KH + ky) * KW + kx) * ci;
            for (var c = 0u; c < ci; c++) {
                sum += x[at_x + c] * w[at_w + c];
            }
        }
    }
    y[i] = sum;
}
