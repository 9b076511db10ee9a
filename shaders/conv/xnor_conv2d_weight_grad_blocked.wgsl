// Partial dw_b from dy and packed activations for software adapters: each invocation keeps the sums of
// ROWS output channels and the BITS input channels of one word, of one tap, over CHUNK rows of output
// pixels. O is a multiple of ROWS, C of BITS, both of 4.
#import shared/conv
override CHUNK: u32;
override CHUNKS: u32;

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>;

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 32u + lane;
    let rows = O / $ROWSu;
    let columns = CI / $BITSu;
    let words = (CI + 31u) / 32u;
    let taps = KH * KW;
    if i >= rows * columns * taps * CHUNKS {
        return;
    }
    let column = i % columns;
    let o = i / columns % rows * $ROWSu;
    let tap = i / columns / rows % taps;
    let chunk = i / columns / rows / taps;
    let ky = tap / KW;
    let kx = tap % KW;
#unroll r ROWS
#unroll j BITS/4
    var s$r_$j = vec4<f32>();
#end
#end
    let last = min((chunk + 1u) * CHUNK, NB * OH);
    for (var line = chunk * CHUNK; line < last; line++) {
        let iy = line % OH * STRIDE + ky * DILATION - PADDING;
        if iy >= H {
            continue;
        }
        let image = (line / OH * H + iy) * W;
        for (var ox = 0u; ox < OW; ox++) {
            let ix = ox * STRIDE + kx * DILATION - PADDING;
            if ix >= W {
                continue;
            }
            // Bit set: +, clear: -.
            let minus = ~x[(image + ix) * words + column];
            let at_y = ((line * OW + ox) * O + o) / 4u;
#unroll q ROWS/4
            let a$q = dy[at_y + $qu];
#end
#unroll j BITS/4
            let b$j = bitcast<vec4<f32>>(((vec4<u32>(minus >> ${4*j}u) >> vec4<u32>(0u, 1u, 2u, 3u)) << vec4<u32>(31u)) | vec4<u32>(0x3f800000u));
#unroll q ROWS/4
            s${4*q}_$j += a$q.x * b$j;
            s${4*q+1}_$j += a$q.y * b$j;
            s${4*q+2}_$j += a$q.z * b$j;
            s${4*q+3}_$j += a$q.w * b$j;
#end
#end
        }
    }
#unroll r ROWS
    let to$r = (((chunk * O + o + $ru) * taps + tap) * CI + column * $BITSu) / 4u;
#unroll j BITS/4
    partial[to$r + $ju] = s$r_$j;
#end
#end
}
