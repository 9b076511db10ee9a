// The rate of the matrix units (tensor cores): each subgroup adds products of SIZE x SIZE matrices to four sums
// that do not depend on each other. Factors are f16 with HALF_AB, sums with HALF_C.
#if HALF
enable f16;
#end
enable wgpu_cooperative_matrix;
#if HALF_AB
alias Factor = f16;
#else
alias Factor = f32;
#end
#if HALF_C
alias Sum = f16;
#else
alias Sum = f32;
#end

@group(0) @binding(0) var<storage, read> plan: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<Sum>;
@group(0) @binding(2) var<storage, read> factors: array<Factor>;
// How many subgroups a workgroup has: each does all of the work.
@group(0) @binding(3) var<storage, read_write> subgroups: array<u32>;

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_subgroups) count: u32,
) {
    let rounds = plan[0];
    let a = coopLoad<coop_mat$SIZEx$SIZE<Factor, A>>(&factors[0], $SIZEu);
    let b = coopLoad<coop_mat$SIZEx$SIZE<Factor, B>>(&factors[${SIZE*SIZE}u], $SIZEu);
    let first = wid.x * ${4*SIZE*SIZE}u;
#unroll s 4
    var s$s = coopLoad<coop_mat$SIZEx$SIZE<Sum, C>>(&result[first + ${s*SIZE*SIZE}u], $SIZEu);
#end
    for (var r = 0u; r < rounds; r++) {
#unroll k 4
#unroll s 4
        s$s = coopMultiplyAdd(a, b, s$s);
#end
#end
    }
#unroll s 4
    coopStore(s$s, &result[first + ${s*SIZE*SIZE}u], $SIZEu);
#end
    if lane == 0u {
        subgroups[wid.x] = count;
    }
}
