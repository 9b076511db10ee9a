// Convolution of packed bits for software adapters: each invocation counts for ROWS output pixels and
// COLUMNS output channels (a multiple of it, even). Words of x on padding are masked out of the count.
#import shared/conv

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

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
    let words = (CI + 31u) / 32u;
#unroll r ROWS
    let p$r = min(first + $ru, pixels - 1u);
    let iy$r = p$r / OW % OH * STRIDE;
    let ix$r = p$r % OW * STRIDE;
    let image$r = p$r / OW / OH * H;
    var valid$r = 0u;
#unroll n COLUMNS
    var s$r_$n = 0u;
#end
#end
    for (var ky = 0u; ky < KH; ky++) {
        for (var kx = 0u; kx < KW; kx++) {
#unroll r ROWS
            let in$r = iy$r + ky * DILATION - PADDING < H && ix$r + kx * DILATION - PADDING < W;
            let at$r = select(0u, ((image$r + iy$r + ky * DILATION - PADDING) * W + ix$r + kx * DILATION - PADDING) * words, in$r);
            let mask$r = select(0u, 0xffffffffu, in$r);
            valid$r += select(0u, CI, in$r);
#end
            for (var q = 0u; q < words; q++) {
#unroll n COLUMNS
                let b$n = w[((o + $nu) * KH * KW + ky * KW + kx) * words + q];
#end
#unroll r ROWS
                let a$r = x[at$r + q];
#unroll n COLUMNS
#if ZERO_ONE
                // Set weight bits with activation +1, less those with -1.
                s$r_$n += countOneBits(a$r & b$n & mask$r) - countOneBits(~a$r & b$n & mask$r);
#else
                s$r_$n += countOneBits((a$r ^ b$n) & mask$r);
#end
#end
#end
            }
        }
    }
#unroll r ROWS
    if first + $ru < pixels {
        let to = ((first + $ru) * O + o) / 2u;
#unroll n COLUMNS/2
#if ZERO_ONE
        y[to + $nu] = (s$r_${2*n} & 0xffffu) | (s$r_${2*n+1} << 16u);
#else
        y[to + $nu] = ((valid$r - 2u * s$r_${2*n}) & 0xffffu) | ((valid$r - 2u * s$r_${2*n+1}) << 16u);
#end
#end
    }
#end
}
