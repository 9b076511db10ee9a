// The result of a product by tiles (shared/tiles). With C_WIDE four neighbouring columns are one vector.
#if C_WIDE
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
#end

fn store_c(slice: u32, row: u32, column: u32, sums: vec4<f32>) {
    if row >= M || column >= N {
        return;
    }
    let at = at_c(slice, row, column);
    if at == NOWHERE {
        return;
    }
#if C_WIDE
    c[at / 4u] = sums;
#else
#unroll i 4
    if column + $iu < N {
        c[at + $iu] = sums[$i];
    }
#end
#end
}
