// Convolution of packed bits: one invocation makes one word, the 16-bit sums of two output channels.
#import shared/conv
override ZERO_ONE: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

fn dot(o: u32, n: u32, oy: u32, ox: u32) -> i32 {
    let words = (CI + 31u) / 32u;
    var sum = 0i;
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
            let at_x = ((n * H + iy - PADDING) * W + ix - PADDING) * words;
            let at_w = ((o * KH + ky) * KW + kx) * words;
            for (var j = 0u; j < words; j++) {
                let b = w[at_w + j];
                if ZERO_ONE == 1u {
                    sum += 2i * i32(countOneBits(x[at_x + j] & b)) - i32(countOneBits(b));
                } else {
                    sum -= 2i * i32(countOneBits(x[at_x + j] ^ b));
                }
            }
            if ZERO_ONE == 0u {
                sum += i32(CI);
            }
        }
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    let row = (O + 1u) / 2u;
    if i >= NB * OH * OW * row {
        return;
    }
    let o = i % row * 2u;
    let ox = i / row % OW;
    let oy = i / row / OW % OH;
    let n = i / row / OW / OH;
    var word = u32(dot(o, n, oy, ox)) & 0xffffu;
    if o + 1u < O {
        word |= u32(dot(o + 1u, n, oy, ox)) << 16u;
    }
    y[i] = word;
}
