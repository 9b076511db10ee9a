// dx from dy and w, one invocation an input element: it gathers from the windows that cover it.
#import shared/conv

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= NB * H * W * CI {
        return;
    }
    let c = i % CI;
    let ix = i / CI % W;
    let iy = i / CI / W % H;
    let n = i / CI / W / H;
    let ci = CI / GROUPS;
    let oi = O / GROUPS;
    let group = c / ci;
    var sum = 0.0;
    for (var ky = 0u; ky < KH; ky++) {
        let ty = iy + PADDING;
        let down = ky * DILATION;
        if ty < down || (ty - down) % STRIDE != 0u || (ty - down) / STRIDE >= OH {
            continue;
        }
        let oy = (ty - down) / STRIDE;
        for (var kx = 0u; kx < KW; kx++) {
            let tx = ix + PADDING;
            let right = kx * DILATION;
            if tx < right || (tx - right) % STRIDE != 0u || (tx - right) / STRIDE >= OW {
                continue;
            }
            let ox = (tx - right) / STRIDE;
            let at_y = ((n * OH + oy) * OW + ox) * O + group * oi;
            for (var o = 0u; o < oi; o++) {
                sum += dy[at_y + o] * w[(((group * oi + o) * KH + ky) * KW + kx) * ci + c % ci];
            }
        }
    }
    dx[i] = sum;
}
