// C[b, m, n] = op(A) op(B) for software adapters: each invocation keeps a tile of ROWS x COLUMNS sums
// in registers and no invocation waits for another. There every lane loads on its own, some four cycles
// a load, so that only loads for each multiply-add matter: (ROWS + COLUMNS) / (ROWS * COLUMNS).
//
// A is [M, K], B is [K, N] or, with TB, [N, K]; K is a multiple of 4, N of COLUMNS. Rows past M are
// computed from row M - 1 and not stored.
override BATCH: u32;
override M: u32;
override N: u32;
override K: u32;
override BATCHED_A: u32;
override BATCHED_B: u32;

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 32u + lane;
    let blocks = (M + $ROWSu - 1u) / $ROWSu;
    let columns = N / $COLUMNSu;
    if i >= BATCH * blocks * columns {
        return;
    }
    let row = i % blocks * $ROWSu;
    let column = i / blocks % columns * $COLUMNSu;
    let batch = i / blocks / columns;
    let base_a = batch * BATCHED_A * M * K / 4u;
    let base_b = batch * BATCHED_B * K * N / 4u;
#unroll r ROWS
    let at$r = base_a + min(row + $ru, M - 1u) * K / 4u;
#unroll j COLUMNS/4
    var c$r_$j = vec4<f32>();
#end
#end
    for (var k = 0u; k < K / 4u; k++) {
#if TB
#unroll n COLUMNS
        let b$n = b[base_b + (column + $nu) * K / 4u + k];
#end
#else
#unroll q 4
#unroll j COLUMNS/4
        let b$q_$j = b[base_b + ((k * 4u + $qu) * N + column) / 4u + $ju];
#end
#end
#end
#unroll r ROWS
        let a$r = a[at$r + k];
#unroll j COLUMNS/4
#if TB
        c$r_$j += vec4<f32>(dot(a$r, b${4*j}), dot(a$r, b${4*j+1}), dot(a$r, b${4*j+2}), dot(a$r, b${4*j+3}));
#else
        c$r_$j += a$r.x * b0_$j + a$r.y * b1_$j + a$r.z * b2_$j + a$r.w * b3_$j;
#end
#end
#end
    }
#unroll r ROWS
    if row + $ru < M {
        let to = ((batch * M + row + $ru) * N + column) / 4u;
#unroll j COLUMNS/4
        c[to + $ju] = c$r_$j;
#end
    }
#end
}
