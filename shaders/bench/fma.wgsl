// The rate of f32 multiply-adds: SUMS sums an invocation that do not depend on each other, all in registers.
// FUSED writes them as `fma`, which some drivers do in one instruction and others call a function for.
@group(0) @binding(0) var<storage, read> plan: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // Read, so that no compiler knows them: how often, and two numbers that keep sums finite.
    let rounds = plan[0];
    let x = bitcast<f32>(plan[1]);
    let y = bitcast<f32>(plan[2]);
    let i = wid.x * 64u + lane;
#unroll s SUMS
    var s$s = f32(i + $su);
#end
    for (var r = 0u; r < rounds; r++) {
#unroll k 4
#unroll s SUMS
#if FUSED
        s$s = fma(s$s, x, y);
#else
        s$s = s$s * x + y;
#end
#end
#end
    }
    var sum = 0.0;
#unroll s SUMS
    sum += s$s;
#end
    result[i] = sum;
}
