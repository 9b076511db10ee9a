// The rate of f16 multiply-adds, two together, as GPUs have them: else as bench/fma.
enable f16;
@group(0) @binding(0) var<storage, read> plan: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let rounds = plan[0];
    let x = vec2<f16>(f16(bitcast<f32>(plan[1])));
    let y = vec2<f16>(f16(bitcast<f32>(plan[2])));
    let i = wid.x * 64u + lane;
#unroll s SUMS
    var s$s = vec2<f16>(f16(lane + $su), f16(lane));
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
    sum += f32(s$s.x) + f32(s$s.y);
#end
    result[i] = sum;
}
