// Convolution for software adapters: each invocation keeps the sums of ROWS output pixels and COLUMNS
// output channels in registers (see linalg/matmul_blocked). C is a multiple of 4, O of COLUMNS; one group.
#import shared/conv

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 32u + lane;
    let pixels = NB * OH * OW;
    let blocks = (pixels + $ROWSu - 1u) / $ROWSu;
    if i >= blocks * (O / $COLUMNSu) {
        return;
    }
    let first = i % blocks * $ROWSu;
    let o = i / blocks * $COLUMNSu;
    let quads = CI / 4u;
#unroll r ROWS
    let p$r = min(first + $ru, pixels - 1u);
    // The window's first row and column, offset by PADDING so that they stay unsigned.
    let iy$r = p$r / OW % OH * STRIDE;
    let ix$r = p$r % OW * STRIDE;
    let image$r = p$r / OW / OH * H;
#unroll j COLUMNS/4
    var s$r_$j = vec4<f32>();
#end
#end
    for (var ky = 0u; ky < KH; ky++) {
        for (var kx = 0u; kx < KW; kx++) {
#unroll r ROWS
            let in$r = iy$r + ky * DILATION - PADDING < H && ix$r + kx * DILATION - PADDING < W;
            let at$r = select(0u, ((image$r + iy$r + ky * DILATION - PADDING) * W + ix$r + kx * DILATION - PADDING) * quads, in$r);
#end
            let tap = ky * KW + kx;
            for (var q = 0u; q < quads; q++) {
#unroll n COLUMNS
                let b$n = w[((o + $nu) * KH * KW + tap) * quads + q];
#end
#unroll r ROWS
                let a$r = select(vec4<f32>(), x[at$r + q], in$r);
#unroll j COLUMNS/4
                s$r_$j += vec4<f32>(dot(a$r, b${4*j}), dot(a$r, b${4*j+1}), dot(a$r, b${4*j+2}), dot(a$r, b${4*j+3}));
#end
#end
            }
        }
    }
#unroll r ROWS
    if first + $ru < pixels {
#unroll j COLUMNS/4
        y[((first + $ru) * O + o) / 4u + $ju] = s$r_$j;
#end
    }
#end
}
