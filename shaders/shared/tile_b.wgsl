// The right operand of a product by tiles (shared/tiles), four by four numbers at a time. With B_WIDE
// four neighbours are one vector in memory: along the sum with B_DEEP, along the columns without. With
// B_BITS it is packed: bit 1 stands for 1, bit 0 for -1 or, with ZERO_ONE, for 0; four neighbours then
// lie in one word.
#if B_BITS
@group(0) @binding(1) var<storage, read> b: array<u32>;
#else
#if B_WIDE
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> b: array<f32>;
#end
#end

// Positions that a row of n numbers takes.
fn pitch_b(n: u32) -> u32 {
#if B_BITS
    return (n + 31u) / 32u * 32u;
#else
    return n;
#end
}

fn place_b(slice: u32, k: u32, column: u32) -> u32 {
    if column >= N || k >= depth(slice) {
        return NOWHERE;
    }
    return at_b(slice, k, column);
}

#if B_WIDE
fn load_b(at: u32) -> vec4<f32> {
    if at == NOWHERE {
        return vec4<f32>();
    }
#if B_BITS
    let bits = vec4<f32>((vec4<u32>(b[at / 32u] >> (at % 32u)) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u));
#if ZERO_ONE
    return bits;
#else
    return 2.0 * bits - 1.0;
#end
#else
    return b[at / 4u];
#end
}
#else
fn load_b(at: u32) -> f32 {
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
    return b[at];
#end
}
#end

// Columns column .. column + 3 at k, then at k + 1, k + 2, k + 3.
fn block_b(slice: u32, k: u32, column: u32) -> mat4x4<f32> {
#if B_WIDE
#if B_DEEP
    return transpose(mat4x4<f32>(
#unroll i 4
        load_b(place_b(slice, k, column + $iu)),
#end
    ));
#else
    return mat4x4<f32>(
#unroll i 4
        load_b(place_b(slice, k + $iu, column)),
#end
    );
#end
#else
    return mat4x4<f32>(
#unroll i 4
#unroll j 4
        load_b(place_b(slice, k + $iu, column + $ju)),
#end
#end
    );
#end
}
