// dk = SCALE dSᵀ q and dv = Pᵀ dy of a pair and 16 keys a workgroup, dS = P (dy vᵀ - along): queries pass by in tiles of 8,
// and probabilities P are made again from the logarithms of their sums (Dao et al. 2022).
#import attention/heads
#import attention/grad_operands

@group(0) @binding($RESULT) var<storage, read_write> dk: array<f32>;
@group(0) @binding(${RESULT+1}) var<storage, read_write> dv: array<f32>;

var<workgroup> keys: array<f32, 1040>;
var<workgroup> values: array<f32, 1040>;
var<workgroup> queries: array<f32, 520>;
var<workgroup> slopes: array<f32, 520>;
var<workgroup> shares: array<f32, 144>;
var<workgroup> scores: array<f32, 144>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (KEYS + 15u) / 16u;
    let group = wid.x + wid.y * nwg.x;
    let pair = min(group / blocks, PAIRS - 1u);
    let block = group % blocks * 16u;
    // Four invocations share a key: its queries, and its channels.
    let row = lane / 4u;
    let own = lane % 4u;
    for (var e = lane; e < 16u * D; e += 64u) {
        let from_ = begin_of(min(block + e / D, KEYS - 1u), KEYS, pair) + e % D;
        keys[e / D * ROW + e % D] = key(from_);
        values[e / D * ROW + e % D] = value(from_);
    }
#unroll u CHANNELS
    var of_key_$u = 0.0;
    var of_value_$u = 0.0;
#end
    for (var first = 0u; first < QUERIES; first += 8u) {
        workgroupBarrier();
        for (var e = lane; e < 8u * D; e += 64u) {
            let from_ = begin_of(min(first + e / D, QUERIES - 1u), QUERIES, pair) + e % D;
            queries[e / D * ROW + e % D] = query(from_) * SCALE;
            slopes[e / D * ROW + e % D] = slope(from_);
        }
        workgroupBarrier();
        var s = vec2<f32>();
        var dp = vec2<f32>();
        for (var c = 0u; c < D; c++) {
            s += keys[row * ROW + c] * vec2<f32>(queries[own * ROW + c], queries[(own + 4u) * ROW + c]);
            dp += values[row * ROW + c] * vec2<f32>(slopes[own * ROW + c], slopes[(own + 4u) * ROW + c]);
        }
        let tokens = vec2<u32>(first + own, first + own + 4u);
        let there = tokens < vec2<u32>(QUERIES);
        let a = row_of(min(tokens.x, QUERIES - 1u), QUERIES, pair);
        let b = row_of(min(tokens.y, QUERIES - 1u), QUERIES, pair);
        let p = select(vec2<f32>(), exp(s - vec2<f32>(log_sum_of(a), log_sum_of(b))), there);
        let ds = p * (dp - vec2<f32>(along[a], along[b]));
        shares[row * 9u + own] = p.x;
        shares[row * 9u + own + 4u] = p.y;
        scores[row * 9u + own] = ds.x;
        scores[row * 9u + own + 4u] = ds.y;
        workgroupBarrier();
        for (var i = 0u; i < 8u; i++) {
            let p = shares[row * 9u + i];
            let ds = scores[row * 9u + i];
#unroll u CHANNELS
            of_key_$u += ds * queries[i * ROW + own + ${4*u}u];
            of_value_$u += p * slopes[i * ROW + own + ${4*u}u];
#end
        }
    }
    let token = block + row;
    if group < PAIRS * blocks && token < KEYS {
        let to = begin_of(token, KEYS, pair);
#unroll u CHANNELS
        if own + ${4*u}u < D {
            dk[to + own + ${4*u}u] = of_key_$u;
            dv[to + own + ${4*u}u] = of_value_$u;
        }
#end
    }
}
