// The rate of products of bits: xor, popcount and add of 32 of them at a time, on SUMS sums an invocation that
// do not depend on each other. A sum is an operand too, so that no step can be taken out of the loop.
@group(0) @binding(0) var<storage, read> plan: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let rounds = plan[0];
    let x = plan[1];
    let i = wid.x * 64u + lane;
#unroll s SUMS
    var s$s = i + $su;
#end
    for (var r = 0u; r < rounds; r++) {
#unroll k 4
#unroll s SUMS
        s$s += countOneBits(s$s ^ x);
#end
#end
    }
    var sum = 0u;
#unroll s SUMS
    sum += s$s;
#end
    result[i] = sum;
}
