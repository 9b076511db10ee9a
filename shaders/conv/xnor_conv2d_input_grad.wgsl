// dx_b from dy and packed weights, read where they lie: one invocation an input element: it gathers from the windows that cover it.
#import shared/conv
override ZERO_ONE: u32;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
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
    let words = (CI + 31u) / 32u;
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
            let at_y = ((n * OH + oy) * OW + ox) * O;
            for (var o = 0u; o < O; o++) {
                let bit = extractBits(w[((o * KH + ky) * KW + kx) * words + c / 32u], c % 32u, 1u);
                let d = dy[at_y + o];
                sum += select(select(-d, 0.0, ZERO_ONE == 1u), d, bit == 1u);
            }
        }
    }
    dx[i] = sum;
}
