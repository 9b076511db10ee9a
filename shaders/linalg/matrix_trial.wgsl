// Tries what kernels for matrix units (shared/matrix) count on: 1.5 A B of one pair of matrices. A has rows, B columns
// together in memory.
#if HALF
enable f16;
#end
enable wgpu_cooperative_matrix;
#if HALF
alias Factor = f16;
#else
alias Factor = f32;
#end

@group(0) @binding(0) var<storage, read> factors: array<Factor>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

var<workgroup> near: array<Factor, ${2*SIZE*SIZE}>;
var<workgroup> made: array<f32, ${SIZE*SIZE}>;

@compute @workgroup_size($THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
    for (var i = lane; i < ${2*SIZE*SIZE}u; i += $THREADSu) {
        near[i] = factors[i];
    }
    workgroupBarrier();
    let a = coopLoad<coop_mat$SIZEx$SIZE<Factor, A>>(&near[0], $SIZEu);
    let b = coopLoadT<coop_mat$SIZEx$SIZE<Factor, B>>(&near[${SIZE*SIZE}u], $SIZEu);
    var sum: coop_mat$SIZEx$SIZE<f32, C>;
    sum = coopMultiplyAdd(a, b, sum);
    sum = sum + sum * 0.5;
    // If there are several subgroups, all of them store the same.
    coopStoreT(sum, &made[0], $SIZEu);
    workgroupBarrier();
    for (var i = lane; i < ${SIZE*SIZE}u; i += $THREADSu) {
        result[i] = made[i];
    }
}
