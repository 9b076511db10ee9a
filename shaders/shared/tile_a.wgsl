// The left operand of a product by tiles (shared/tiles), four by four numbers at a time. With A_WIDE
// four neighbours are one vector in memory: along the sum with A_DEEP, along the rows without.
#if A_WIDE
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
#else
@group(0) @binding(0) var<storage, read> a: array<f32>;
#end

fn place_a(slice: u32, row: u32, k: u32) -> u32 {
    if row >= M || k >= depth(slice) {
        return NOWHERE;
    }
    return at_a(slice, row, k);
}

#if A_WIDE
fn load_a(at: u32) -> vec4<f32> {
    if at == NOWHERE {
        return vec4<f32>();
    }
    return a[at / 4u];
}
#else
fn load_a(at: u32) -> f32 {
    if at == NOWHERE {
        return 0.0;
    }
    return a[at];
}
#end

// Rows row .. row + 3 at k, then at k + 1, k + 2, k + 3.
fn block_a(slice: u32, row: u32, k: u32) -> mat4x4<f32> {
#if A_WIDE
#if A_DEEP
    return transpose(mat4x4<f32>(
#unroll i 4
        load_a(place_a(slice, row + $iu, k)),
#end
    ));
#else
    return mat4x4<f32>(
#unroll i 4
        load_a(place_a(slice, row, k + $iu)),
#end
    );
#end
#else
    return mat4x4<f32>(
#unroll i 4
#unroll j 4
        load_a(place_a(slice, row + $ju, k + $iu)),
#end
#end
    );
#end
}
