// C[slice] = A[slice] B[slice] by tiles, for GPUs: a workgroup makes HEIGHT x WIDTH sums, each invocation
// ROWS x COLUMNS of them in registers. Sixteen columns of A and rows of B at a time lie in workgroup
// memory, so that a number that is fetched once serves a whole tile.
//
// The importing shader says how long the sums are and where the numbers lie: `depth(slice)`,
// `at_a(slice, row, k)`, `at_b(slice, k, column)`, `at_c(slice, row, column)`. They are asked for numbers
// inside the matrices only. Sums run from the first to the last k.
#import shared/nowhere
#import shared/tile_grid
#import shared/tile_a
#import shared/tile_b
#import shared/tile_c

// By k, four neighbouring rows or columns together.
var<workgroup> tile_a: array<vec4<f32>, ${16*HEIGHT/4}>;
var<workgroup> tile_b: array<vec4<f32>, ${16*WIDTH/4}>;

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
    // An invocation's fours of rows and columns lie apart, so that neighbours read neighbouring ones.
    let x = lane % ${WIDTH/COLUMNS}u;
    let y = lane / ${WIDTH/COLUMNS}u;
#unroll r ROWS
#unroll j COLUMNS/4
    var s$r_$j = vec4<f32>();
#end
#end
    let end = depth(t.slice);
    for (var k = 0u; k < end; k += 16u) {
        // HEIGHT blocks of A, then WIDTH of B; neighbours take neighbouring rows or columns.
        for (var i = lane; i < ${HEIGHT+WIDTH}u; i += ${HEIGHT/ROWS*WIDTH/COLUMNS}u) {
            if i < $HEIGHTu {
                let at = i % ${HEIGHT/4}u;
                let q = i / ${HEIGHT/4}u * 4u;
                let block = block_a(t.slice, t.top + 4u * at, k + q);
#unroll n 4
                tile_a[(q + $nu) * ${HEIGHT/4}u + at] = block[$n];
#end
            } else {
                let at = (i - $HEIGHTu) % ${WIDTH/4}u;
                let q = (i - $HEIGHTu) / ${WIDTH/4}u * 4u;
                let block = block_b(t.slice, k + q, t.left + 4u * at);
#unroll n 4
                tile_b[(q + $nu) * ${WIDTH/4}u + at] = block[$n];
#end
            }
        }
        workgroupBarrier();
        for (var q = 0u; q < 16u; q += 4u) {
#unroll n 4
            {
#unroll i ROWS/4
                let a$i = tile_a[(q + $nu) * ${HEIGHT/4}u + y + ${i*HEIGHT/ROWS}u];
#end
#unroll j COLUMNS/4
                let b$j = tile_b[(q + $nu) * ${WIDTH/4}u + x + ${j*WIDTH/COLUMNS}u];
#end
#unroll i ROWS/4
#unroll r 4
#unroll j COLUMNS/4
                s${4*i+r}_$j += a$i[$r] * b$j;
#end
#end
#end
            }
#end
        }
        workgroupBarrier();
    }
#unroll i ROWS/4
#unroll r 4
#unroll j COLUMNS/4
    store_c(
        t.slice,
        t.top + 4u * (y + ${i*HEIGHT/ROWS}u) + $ru,
        t.left + 4u * (x + ${j*WIDTH/COLUMNS}u),
        s${4*i+r}_$j,
    );
#end
#end
#end
}
