// Convolution of packed bits for GPUs, by tiles of HEIGHT output pixels and WIDTH output channels: each
// invocation counts for ROWS x COLUMNS of them. Eight words of every window and every filter at a time
// lie in workgroup memory.
#import shared/conv
#import shared/window
#import shared/tile_grid

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

// Where x is +1 and where it is -1. On padding it is neither, so that nothing is counted there.
var<workgroup> plus: array<u32, ${8*HEIGHT}>;
var<workgroup> minus: array<u32, ${8*HEIGHT}>;
var<workgroup> filters: array<u32, ${8*WIDTH}>;

// Taps of a window of `extent` that lie inside an image of `size`; `first` counts from the padding.
fn inside(first: u32, extent: u32, size: u32) -> u32 {
    let low = (max(first, PADDING) - first + DILATION - 1u) / DILATION;
    let high = (max(first, size + PADDING) - first + DILATION - 1u) / DILATION;
    return max(min(extent, high), low) - low;
}

@compute @workgroup_size(${HEIGHT/ROWS*WIDTH/COLUMNS})
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let t = tile(wid.x + wid.y * nwg.x);
    if t.slice >= SLICES {
        return;
    }
    let across = lane % ${WIDTH/COLUMNS}u;
    let down = lane / ${WIDTH/COLUMNS}u;
    let words = (CI + 31u) / 32u;
#unroll r ROWS
#unroll n COLUMNS
    var s$r_$n = 0u;
#end
#end
    for (var k = 0u; k < KH * KW * words; k += 8u) {
        for (var i = lane; i < ${8*HEIGHT}u; i += ${HEIGHT/ROWS*WIDTH/COLUMNS}u) {
            let row = t.top + i % $HEIGHTu;
            let at = k + i / $HEIGHTu;
            var word = vec2<u32>();
            if row < M && at < KH * KW * words {
                let pixel = under_tap(row, at / words);
                if pixel != NOWHERE {
                    let bits = x[pixel * words + at % words];
                    word = vec2<u32>(bits, ~bits);
                }
            }
            plus[i] = word.x;
            minus[i] = word.y;
        }
        for (var i = lane; i < ${8*WIDTH}u; i += ${HEIGHT/ROWS*WIDTH/COLUMNS}u) {
            let column = t.left + i % $WIDTHu;
            let at = k + i / $WIDTHu;
            var word = 0u;
            if column < N && at < KH * KW * words {
                word = w[column * KH * KW * words + at];
            }
            filters[i] = word;
        }
        workgroupBarrier();
        for (var q = 0u; q < 8u; q++) {
#unroll n COLUMNS/2
            let b${2*n} = filters[q * $WIDTHu + 2u * (across + ${n*WIDTH/COLUMNS}u)];
            let b${2*n+1} = filters[q * $WIDTHu + 2u * (across + ${n*WIDTH/COLUMNS}u) + 1u];
#end
#unroll r ROWS
            let p$r = plus[q * $HEIGHTu + down + ${r*HEIGHT/ROWS}u];
            let m$r = minus[q * $HEIGHTu + down + ${r*HEIGHT/ROWS}u];
#unroll n COLUMNS
#if ZERO_ONE
            // Set weight bits with activation +1, less those with -1.
            s$r_$n += countOneBits(p$r & b$n) - countOneBits(m$r & b$n);
#else
            // Where they differ.
            s$r_$n += countOneBits((p$r & ~b$n) | (m$r & b$n));
#end
#end
#end
        }
        workgroupBarrier();
    }
    // A word is two channels.
    let row_words = (O + 1u) / 2u;
#unroll r ROWS
    let row$r = t.top + down + ${r*HEIGHT/ROWS}u;
    if row$r < M {
#if ZERO_ONE
#else
        let valid = CI * inside(row$r / OW % OH * STRIDE, KH, H) * inside(row$r % OW * STRIDE, KW, W);
#end
#unroll n COLUMNS/2
        let o$n = t.left + 2u * (across + ${n*WIDTH/COLUMNS}u);
        if o$n < O {
#if ZERO_ONE
            let sums = vec2<u32>(s$r_${2*n}, s$r_${2*n+1});
#else
            let sums = valid - 2u * vec2<u32>(s$r_${2*n}, s$r_${2*n+1});
#end
            // Where O is odd the last half stays 0.
            y[row$r * row_words + o$n / 2u] = (sums.x & 0xffffu) | select(0u, sums.y << 16u, o$n + 1u < O);
        }
#end
    }
#end
}
