// Convolution of packed bits on matrix units: output pixels by output channels. Bits become the numbers that they stand
// for, and 0 on padding and behind the last channel, in workgroup memory. These and their sums are exact: the same
// integers as by counting bits. DEPTH is a word, which is of one tap.
#if HALF
enable f16;
#end
enable wgpu_cooperative_matrix;
#import shared/conv
#import shared/window
#import shared/matrix

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

fn depth(slice: u32) -> u32 {
    return KH * KW * ((CI + 31u) / 32u) * 32u;
}

fn fill(t: Tile, k: u32, lane: u32) {
    let words = (CI + 31u) / 32u;
    let tap = k / 32u / words;
    let word = k / 32u % words;
    let channels = min(CI - word * 32u, 32u);
    for (var i = lane; i < $HEIGHTu; i += $THREADSu) {
        var bits = 0u;
        var inside = 0u;
        if t.top + i < M {
            let pixel = under_tap(t.top + i, tap);
            if pixel != NOWHERE {
                bits = x[pixel * words + word];
                inside = channels;
            }
        }
#unroll n 32
        high_a[${n*HEIGHT}u + i] = Factor(select(0.0, f32((bits >> $nu) & 1u) * 2.0 - 1.0, $nu < inside));
#end
    }
    for (var i = lane; i < $WIDTHu; i += $THREADSu) {
        var bits = 0u;
        if t.left + i < N {
            bits = w[((t.left + i) * KH * KW + tap) * words + word];
        }
#unroll n 32
#if ZERO_ONE
        high_b[${n*WIDTH}u + i] = Factor(f32((bits >> $nu) & 1u));
#else
        high_b[${n*WIDTH}u + i] = Factor(f32((bits >> $nu) & 1u) * 2.0 - 1.0);
#end
#end
    }
}

// A word is two channels.
fn put(slice: u32, row: u32, column: u32, sums: vec2<f32>) {
    let both = bitcast<vec2<u32>>(vec2<i32>(sums)) & vec2<u32>(0xffffu);
    // Where O is odd the last half stays 0.
    y[row * ((O + 1u) / 2u) + column / 2u] = both.x | select(0u, both.y << 16u, column + 1u < O);
}
