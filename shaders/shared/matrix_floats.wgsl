// The operands of a product on matrix units (shared/matrix) that are floats, or B packed bits. Where factors are f16, a
// float x of a line (a row of A, a column of B) is high + low / 2^11: with 2^s, which brings the line's largest number
// into [2^14, 2^15), high is x 2^s rounded to 11 bits and low the rest times 2^11, rounded too. So
//   |x 2^s - high - low / 2^11| <= max(2^-22 |x 2^s|, 2^-35),
// the second where numbers are below 2^-27 of their line's largest, because f16 ends there. A sum over k, S being that of
// the magnitudes, is wrong by, in units of 2^-24 S: 8 for the factors and 4 for the products of both lows, which are left
// out; 80 where units add 32 products towards zero, in fours, to zero; k / 32 for adding these; k / 64 for the lows' sums;
// 3 at the end. That is below the 2 k of the bound from k = 64 on.
//
// Numbers far below their line's largest add k 2^-19 at most (k 2^-34 where B is bits): k / 32 units where S is 2^10 (2^-5)
// or more, which it is where |sum| is. Where a workgroup meets such numbers, a smaller sum is made in the plain way;
// everywhere those of a line that cannot be scaled: with infinities or what is no number, or its largest below 2^-99.
//
// The importing shader says, beside where the numbers lie, in which line a row or column is: `line_of_a(slice, row)`,
// `line_of_b(slice, column)`.
#import shared/nowhere
#import shared/matrix
#import shared/tile_a
#import shared/tile_b

@group(0) @binding(2) var<storage, read_write> c: array<f32>;
#if LOW_A
// Bits of the largest magnitude of each line.
@group(0) @binding(3) var<storage, read> largest_a: array<u32>;
#end
#if LOW_B
@group(0) @binding(4) var<storage, read> largest_b: array<u32>;
#end

// The exponent s of a line that cannot be scaled, or is all zeros.
const PLAIN = 1000;
const ZEROS = 2000;

fn exponent(largest: u32) -> i32 {
    let e = i32(largest >> 23u);
    if e == 255 || (e < 28 && largest != 0u) {
        return PLAIN;
    }
    return select(141 - e, ZEROS, largest == 0u);
}

// 2^s for s in -126 .. 127.
fn power(s: i32) -> f32 {
    return bitcast<f32>(u32(s + 127) << 23u);
}

fn rounded(x: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>((bitcast<vec4<u32>>(x) + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u));
}

#if LOW_A
fn exponent_a(slice: u32, row: u32) -> i32 {
    return exponent(largest_a[line_of_a(slice, min(row, M - 1u))]);
}
#end

#if LOW_B
fn exponent_b(slice: u32, column: u32) -> i32 {
    return exponent(largest_b[line_of_b(slice, min(column, N - 1u))]);
}
#end

fn scaled(x: vec4<f32>, s: vec4<i32>) -> vec4<f32> {
    let plain = s >= vec4<i32>(PLAIN);
    let by = bitcast<vec4<f32>>(vec4<u32>(select(s, vec4<i32>(), plain) + vec4<i32>(127)) << vec4<u32>(23u));
    return select(x * by, vec4<f32>(), plain);
}

fn fill(t: Tile, k: u32, lane: u32) {
    for (var i = lane; i < ${DEPTH/4*HEIGHT/4}u; i += $THREADSu) {
        let at = i % ${HEIGHT/4}u * 4u;
        let q = i / ${HEIGHT/4}u * 4u;
        let block = block_a(t.slice, t.top + at, k + q);
#if LOW_A
        let s = vec4<i32>(
#unroll n 4
            exponent_a(t.slice, t.top + at + $nu),
#end
        );
#end
#unroll n 4
        {
#if LOW_A
            let x = scaled(block[$n], s);
            let high = rounded(x);
            let low = rounded((x - high) * 2048.0);
            if any((x != vec4<f32>()) & (abs(x) < vec4<f32>(0.0001220703125))) {
                atomicStore(&faint, 1u);
            }
#else
            let high = block[$n];
#end
#unroll j 4
            high_a[(q + $nu) * $HEIGHTu + at + $ju] = Factor(high[$j]);
#if LOW_A
            low_a[(q + $nu) * $HEIGHTu + at + $ju] = Factor(low[$j]);
#end
#end
        }
#end
    }
    for (var i = lane; i < ${DEPTH/4*WIDTH/4}u; i += $THREADSu) {
        let at = i % ${WIDTH/4}u * 4u;
        let q = i / ${WIDTH/4}u * 4u;
        let block = block_b(t.slice, k + q, t.left + at);
#if LOW_B
        let s = vec4<i32>(
#unroll n 4
            exponent_b(t.slice, t.left + at + $nu),
#end
        );
#end
#unroll n 4
        {
#if LOW_B
            let x = scaled(block[$n], s);
            let high = rounded(x);
            let low = rounded((x - high) * 2048.0);
            if any((x != vec4<f32>()) & (abs(x) < vec4<f32>(0.0001220703125))) {
                atomicStore(&faint, 1u);
            }
#else
            let high = block[$n];
#end
#unroll j 4
            high_b[(q + $nu) * $WIDTHu + at + $ju] = Factor(high[$j]);
#if LOW_B
            low_b[(q + $nu) * $WIDTHu + at + $ju] = Factor(low[$j]);
#end
#end
        }
#end
    }
}

#if LOW
fn number_a(at: u32) -> f32 {
    if at == NOWHERE {
        return 0.0;
    }
#if A_WIDE
    return a[at / 4u][at % 4u];
#else
    return a[at];
#end
}

fn number_b(at: u32) -> f32 {
    if at == NOWHERE {
        return 0.0;
    }
#if B_BITS
    let bit = f32(extractBits(b[at / 32u], at % 32u, 1u));
#if ZERO_ONE
    return bit;
#else
    return 2.0 * bit - 1.0;
#end
#else
#if B_WIDE
    return b[at / 4u][at % 4u];
#else
    return b[at];
#end
#end
}

fn plainly(slice: u32, row: u32, column: u32) -> f32 {
    var sum = 0.0;
    for (var k = 0u; k < depth(slice); k++) {
        sum += number_a(place_a(slice, row, k)) * number_b(place_b(slice, k, column));
    }
    return sum;
}

fn finished(slice: u32, row: u32, column: u32, sum: f32) -> f32 {
    let s = exponent_a(slice, row);
#if LOW_B
    let r = exponent_b(slice, column);
    const SMALL = 1025.0;
#else
    let r = 0;
    const SMALL = 0.032;
#end
    if s == PLAIN || r == PLAIN {
        return plainly(slice, row, column);
    }
    if s == ZEROS || r == ZEROS {
        return 0.0;
    }
    if atomicLoad(&faint) != 0u && abs(sum) < SMALL {
        return plainly(slice, row, column);
    }
    // Halved, so that neither factor leaves the numbers that there are.
    let by = -(s + r);
    return sum * power(by / 2) * power(by - by / 2);
}
#end

fn put_one(slice: u32, row: u32, column: u32, sum: f32) {
    if column >= N {
        return;
    }
    let at = at_c(slice, row, column);
    if at == NOWHERE {
        return;
    }
#if LOW
    c[at] = finished(slice, row, column, sum);
#else
    c[at] = sum;
#end
}

fn put(slice: u32, row: u32, column: u32, sums: vec2<f32>) {
    for (var i = 0u; i < 2u; i++) {
        put_one(slice, row, column + i, sums[i]);
    }
}
