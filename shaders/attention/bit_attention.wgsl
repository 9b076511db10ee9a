// γ Σ p v of each query: p is 1 where the softmax of its scores is over γ/2, v is -1 or +1. Integers but for γ.
#import attention/bit_heads

@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= PAIRS * TOKENS {
        return;
    }
    let pair = i / TOKENS;
    let query = row_of(i % TOKENS, pair);
    var least = D;
    for (var j = 0u; j < TOKENS; j++) {
        least = min(least, differing(query, row_of(j, pair)));
    }
    var sum = 0.0;
    for (var j = 0u; j < TOKENS; j++) {
        sum += exponential(differing(query, row_of(j, pair)) - least);
    }
    let over = level() * 0.5 * sum;
    for (var w = 0u; w < D / 32u; w++) {
        var counts: array<i32, 32>;
        for (var b = 0u; b < 32u; b++) {
            counts[b] = 0;
        }
        for (var j = 0u; j < TOKENS; j++) {
            let key = row_of(j, pair);
            if exponential(differing(query, key) - least) > over {
                let bits = word(2u, key, w);
                for (var b = 0u; b < 32u; b++) {
                    counts[b] += i32(2u * ((bits >> b) & 1u)) - 1;
                }
            }
        }
        for (var b = 0u; b < 32u; b++) {
            y[query * D + 32u * w + b] = level() * f32(counts[b]);
        }
    }
}
