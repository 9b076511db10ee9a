// dq = SCALE dS k of a pair and 16 queries a workgroup, dS = P (dy vᵀ - along): keys and values pass by in tiles of 8, and
// probabilities P are made again from the logarithms of their sums (Dao et al. 2022).
#import attention/heads
#import attention/grad_operands

@group(0) @binding($RESULT) var<storage, read_write> dq: array<f32>;

var<workgroup> queries: array<f32, 1040>;
var<workgroup> slopes: array<f32, 1040>;
var<workgroup> keys: array<f32, 520>;
var<workgroup> values: array<f32, 520>;
var<workgroup> scores: array<f32, 144>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (QUERIES + 15u) / 16u;
    let group = wid.x + wid.y * nwg.x;
    let pair = min(group / blocks, PAIRS - 1u);
    let block = group % blocks * 16u;
    // Four invocations share a query: its keys, and its channels.
    let row = lane / 4u;
    let own = lane % 4u;
    for (var e = lane; e < 16u * D; e += 64u) {
        let from_ = begin_of(min(block + e / D, QUERIES - 1u), QUERIES, pair) + e % D;
        queries[e / D * ROW + e % D] = query(from_) * SCALE;
        slopes[e / D * ROW + e % D] = slope(from_);
    }
    let token = block + row;
    let of_row = row_of(min(token, QUERIES - 1u), QUERIES, pair);
    let level = log_sum_of(of_row);
    let taken = along[of_row];
#unroll u CHANNELS
    var made_$u = 0.0;
#end
    for (var first = 0u; first < KEYS; first += 8u) {
        workgroupBarrier();
        for (var e = lane; e < 8u * D; e += 64u) {
            let from_ = begin_of(min(first + e / D, KEYS - 1u), KEYS, pair) + e % D;
            keys[e / D * ROW + e % D] = key(from_);
            values[e / D * ROW + e % D] = value(from_);
        }
        workgroupBarrier();
        var s = vec2<f32>();
        var dp = vec2<f32>();
        for (var c = 0u; c < D; c++) {
            s += queries[row * ROW + c] * vec2<f32>(keys[own * ROW + c], keys[(own + 4u) * ROW + c]);
            dp += slopes[row * ROW + c] * vec2<f32>(values[own * ROW + c], values[(own + 4u) * ROW + c]);
        }
        let there = vec2<u32>(own, own + 4u) + vec2<u32>(first) < vec2<u32>(KEYS);
        let ds = select(vec2<f32>(), exp(s - vec2<f32>(level)) * (dp - vec2<f32>(taken)), there);
        scores[row * 9u + own] = ds.x;
        scores[row * 9u + own + 4u] = ds.y;
        workgroupBarrier();
        for (var j = 0u; j < 8u; j++) {
            let ds = scores[row * 9u + j];
#unroll u CHANNELS
            made_$u += ds * keys[j * ROW + own + ${4*u}u];
#end
        }
    }
    if group < PAIRS * blocks && token < QUERIES {
        let to = begin_of(token, QUERIES, pair);
#unroll u CHANNELS
        if own + ${4*u}u < D {
            dq[to + own + ${4*u}u] = made_$u * SCALE;
        }
#end
    }
}
