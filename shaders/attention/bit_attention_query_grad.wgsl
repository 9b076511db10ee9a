// dq = SCALE dS k of each query, dS = P (dP - Σ P dP), dP = dy vᵀ where P <= γ, else 0. And what the other gradients need of
// each query: the sum of exponentials, Σ P dP, its part of the level's gradient, how near the nearest key is.
#import attention/bit_heads

@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> dq: array<f32>;

fn along(query: u32, key: u32) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < D; c++) {
        sum += slope(query * D + c) * sign_at(2u, key, c);
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    let count = PAIRS * TOKENS;
    if i >= count {
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
    let most = level() * sum;
    var taken = 0.0;
    var of_level = 0.0;
    for (var j = 0u; j < TOKENS; j++) {
        let key = row_of(j, pair);
        let e = exponential(differing(query, key) - least);
        let p = e / sum;
        let g = along(query, key);
        taken += select(0.0, p * g, e <= most);
        of_level += g * select(select(0.0, 1.0, e > over) - p / level(), 1.0, e > most);
    }
    var made: array<f32, 64>;
    for (var c = 0u; c < D; c++) {
        made[c] = 0.0;
    }
    for (var j = 0u; j < TOKENS; j++) {
        let key = row_of(j, pair);
        let e = exponential(differing(query, key) - least);
        let ds = e / sum * (select(0.0, along(query, key), e <= most) - taken);
        for (var c = 0u; c < D; c++) {
            made[c] += ds * sign_at(1u, key, c);
        }
    }
    for (var c = 0u; c < D; c++) {
        dq[query * D + c] = SCALE * made[c];
    }
    rows[query] = sum;
    rows[count + query] = taken;
    rows[2u * count + query] = of_level;
    rows[3u * count + query] = f32(least);
}
