// C[b, m, n] = op(A) op(B) for software adapters with subgroups: the LANES invocations of a subgroup make ROWS x 4 LANES
// sums together. Each keeps four columns of all rows, and loads numbers of its own: of B those of its columns, of A those
// of every LANES-th row, which it hands to the others. No number is loaded twice: there a load costs ten times what a
// multiply-add does, and handing round next to nothing.
//
// With QUADS a load is of four numbers: of A along k, of B along its columns or, with TB, along k; then A is not
// transposed, and K, without TB also N, is a multiple of 4. Else numbers lie anywhere. Rows past M and columns past N are
// those of the last one, and not stored.
override BATCH: u32;
override M: u32;
override N: u32;
override K: u32;
override TA: u32;
override TB: u32;
override BATCHED_A: u32;
override BATCHED_B: u32;

#if QUADS
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
#else
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
#end
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(${4*LANES})
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 4u + subgroup;
    let blocks = (M + $ROWSu - 1u) / $ROWSu;
    let columns = (N + ${4*LANES}u - 1u) / ${4*LANES}u;
    if i >= BATCH * blocks * columns {
        return;
    }
    let top = i % blocks * $ROWSu;
    let left = i / blocks % columns * ${4*LANES}u;
    let batch = i / blocks / columns;
    let base_a = batch * BATCHED_A * M * K;
    let base_b = batch * BATCHED_B * K * N;
#unroll j 4
#if ALONG
    let column$j = left + 4u * lane + $ju;
#else
    let column$j = left + lane + ${j*LANES}u;
#end
#end
#unroll r ROWS
    var s$r = vec4<f32>();
#end
#if QUADS
#unroll h ROWS/LANES
    let row$h = (base_a + min(top + lane + ${h*LANES}u, M - 1u) * K) / 4u;
#end
#if ALONG
    let first = (base_b + min(left + 4u * lane, N - 4u)) / 4u;
#else
#unroll j 4
    let first$j = (base_b + min(column$j, N - 1u) * K) / 4u;
#end
#end
    for (var k = 0u; k < K / 4u; k++) {
#unroll h ROWS/LANES
        let a$h = a[row$h + k];
#end
#if ALONG
#else
#unroll j 4
        let b$j = b[first$j + k];
#end
#end
#unroll n 4
#if ALONG
        let v$n = b[first + (4u * k + $nu) * (N / 4u)];
#else
        let v$n = vec4<f32>(b0[$n], b1[$n], b2[$n], b3[$n]);
#end
#unroll h ROWS/LANES
#unroll i LANES
        s${h*LANES+i} = fma(vec4<f32>(subgroupBroadcast(a$h[$n], $iu)), v$n, s${h*LANES+i});
#end
#end
#end
    }
#else
    let row_pitch = select(K, 1u, TA == 1u);
    let step_a = select(1u, M, TA == 1u);
    let column_pitch = select(1u, K, TB == 1u);
    let step_b = select(N, 1u, TB == 1u);
#unroll h ROWS/LANES
    let row$h = base_a + min(top + lane + ${h*LANES}u, M - 1u) * row_pitch;
#end
#unroll j 4
    let first$j = base_b + min(column$j, N - 1u) * column_pitch;
#end
    for (var k = 0u; k < K; k++) {
#unroll h ROWS/LANES
        let a$h = a[row$h + k * step_a];
#end
        let v = vec4<f32>(
#unroll j 4
            b[first$j + k * step_b],
#end
        );
#unroll h ROWS/LANES
#unroll i LANES
        s${h*LANES+i} = fma(vec4<f32>(subgroupBroadcast(a$h, $iu)), v, s${h*LANES+i});
#end
#end
    }
#end
#unroll r ROWS
    if top + $ru < M {
        let to = (batch * M + top + $ru) * N;
#unroll j 4
        if column$j < N {
            c[to + column$j] = s$r[$j];
        }
#end
    }
#end
}
