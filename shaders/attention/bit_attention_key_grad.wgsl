// dk = SCALE dSᵀ q and dv = γ pᵀ dy of each key, from what the gradient of queries left of each of them.
#import attention/bit_heads

@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> dk: array<f32>;
@group(0) @binding(3) var<storage, read_write> dv: array<f32>;

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
    let key = row_of(i % TOKENS, pair);
    var of_key: array<f32, 64>;
    var of_value: array<f32, 64>;
    for (var c = 0u; c < D; c++) {
        of_key[c] = 0.0;
        of_value[c] = 0.0;
    }
    for (var t = 0u; t < TOKENS; t++) {
        let query = row_of(t, pair);
        let sum = rows[query];
        let e = exponential(differing(query, key) - u32(rows[3u * count + query]));
        var g = 0.0;
        for (var c = 0u; c < D; c++) {
            g += slope(query * D + c) * sign_at(2u, key, c);
        }
        let ds = e / sum * (select(0.0, g, e <= level() * sum) - rows[count + query]);
        let p = select(0.0, 1.0, e > level() * 0.5 * sum);
        for (var c = 0u; c < D; c++) {
            of_key[c] += ds * sign_at(0u, query, c);
            of_value[c] += p * slope(query * D + c);
        }
    }
    for (var c = 0u; c < D; c++) {
        dk[key * D + c] = SCALE * of_key[c];
        dv[key * D + c] = level() * of_value[c];
    }
}
