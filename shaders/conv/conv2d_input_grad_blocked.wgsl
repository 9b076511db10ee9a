// dx from dy and w for software adapters: each invocation keeps the sums of ROWS input pixels of one
// phase and COLUMNS input channels in registers. Pixels of a phase are reached by the same taps, so no
// tap is tried in vain. O is a multiple of 4, C of COLUMNS; one group.
#import shared/conv
#import shared/phase

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 32u + lane;
    let pixels = NB * phase_rows() * phase_columns();
    let blocks = (pixels + $ROWSu - 1u) / $ROWSu;
    let columns = CI / $COLUMNSu;
    if i >= blocks * columns * STRIDE * STRIDE {
        return;
    }
    let first = i % blocks * $ROWSu;
    let c = i / blocks % columns * $COLUMNSu;
    let phase = i / blocks / columns;
    let py = phase / STRIDE;
    let px = phase % STRIDE;
    let quads = O / 4u;
#unroll r ROWS
    let p$r = min(first + $ru, pixels - 1u);
    let iy$r = p$r / phase_columns() % phase_rows() * STRIDE + py;
    let ix$r = p$r % phase_columns() * STRIDE + px;
    let image$r = p$r / phase_columns() / phase_rows();
#unroll j COLUMNS/4
    var s$r_$j = vec4<f32>();
#end
#end
    for (var ky = (py + PADDING) % STRIDE; ky < KH; ky += STRIDE) {
        for (var kx = (px + PADDING) % STRIDE; kx < KW; kx += STRIDE) {
#unroll r ROWS
            // Unsigned differences below zero are large: outside.
            let oy$r = (iy$r + PADDING - ky * DILATION) / STRIDE;
            let ox$r = (ix$r + PADDING - kx * DILATION) / STRIDE;
            let in$r = iy$r + PADDING >= ky * DILATION && ix$r + PADDING >= kx * DILATION && oy$r < OH && ox$r < OW;
            let at$r = select(0u, ((image$r * OH + oy$r) * OW + ox$r) * quads, in$r);
#end
            for (var q = 0u; q < quads; q++) {
#unroll n 4
#unroll j COLUMNS/4
                let b$n_$j = w[(((q * 4u + $nu) * KH + ky) * KW + kx) * (CI / 4u) + c / 4u + $ju];
#end
#end
#unroll r ROWS
                let a$r = select(vec4<f32>(), dy[at$r + q], in$r);
#unroll j COLUMNS/4
                s$r_$j += a$r.x * b0_$j + a$r.y * b1_$j + a$r.z * b2_$j + a$r.w * b3_$j;
#end
#end
            }
        }
    }
#unroll r ROWS
    if first + $ru < pixels && iy$r < H && ix$r < W {
#unroll j COLUMNS/4
        dx[(((image$r * H + iy$r) * W + ix$r) * CI + c) / 4u + $ju] = s$r_$j;
#end
    }
#end
}
