// softmax(SCALE q kᵀ) v of a pair and 16 queries a workgroup, and the logarithm of the sum below each softmax. Keys and values
// pass by in tiles of 16. Exponentials are of differences to the largest score until now; where it grows, what was summed
// before is scaled (Milakov and Gimelshein 2018; Rabe and Staats 2021; Dao et al. 2022).
#import attention/heads
#if PACKED

@group(0) @binding(0) var<storage, read> packed: array<f32>;
@group(0) @binding(1) var<storage, read_write> o: array<f32>;
@group(0) @binding(2) var<storage, read_write> log_sum: array<f32>;

fn query(i: u32) -> f32 {
    return packed[i];
}

fn key(i: u32) -> f32 {
    return packed[PAIRS * QUERIES * D + i];
}

fn value(i: u32) -> f32 {
    return packed[PAIRS * (QUERIES + KEYS) * D + i];
}
#else

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> o: array<f32>;
@group(0) @binding(4) var<storage, read_write> log_sum: array<f32>;

fn query(i: u32) -> f32 {
    return q[i];
}

fn key(i: u32) -> f32 {
    return k[i];
}

fn value(i: u32) -> f32 {
    return v[i];
}
#end

var<workgroup> queries: array<f32, 1040>;
// Keys, then values.
var<workgroup> tile: array<f32, 1040>;
var<workgroup> scores: array<f32, 272>;

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
        let token = min(block + e / D, QUERIES - 1u);
        queries[e / D * ROW + e % D] = query(begin_of(token, QUERIES, pair) + e % D) * SCALE;
    }
    var most = FAR;
    var sum = 0.0;
#unroll u CHANNELS
    var made_$u = 0.0;
#end
    for (var first = 0u; first < KEYS; first += 16u) {
        workgroupBarrier();
        for (var e = lane; e < 16u * D; e += 64u) {
            let token = min(first + e / D, KEYS - 1u);
            tile[e / D * ROW + e % D] = key(begin_of(token, KEYS, pair) + e % D);
        }
        workgroupBarrier();
        var s = vec4<f32>();
        for (var c = 0u; c < D; c++) {
            let of_keys = vec4<f32>(
                tile[own * ROW + c],
                tile[(own + 4u) * ROW + c],
                tile[(own + 8u) * ROW + c],
                tile[(own + 12u) * ROW + c],
            );
            s += queries[row * ROW + c] * of_keys;
        }
        let there = vec4<u32>(own, own + 4u, own + 8u, own + 12u) + vec4<u32>(first) < vec4<u32>(KEYS);
        s = select(vec4<f32>(FAR), s, there);
        let at = row * 17u + own;
        scores[at] = s.x;
        scores[at + 4u] = s.y;
        scores[at + 8u] = s.z;
        scores[at + 12u] = s.w;
        workgroupBarrier();
        for (var e = lane; e < 16u * D; e += 64u) {
            let token = min(first + e / D, KEYS - 1u);
            tile[e / D * ROW + e % D] = value(begin_of(token, KEYS, pair) + e % D);
        }
        var larger = most;
        for (var j = 0u; j < 16u; j++) {
            larger = max(larger, scores[row * 17u + j]);
        }
        let shrink = exp(most - larger);
        most = larger;
        let p = select(vec4<f32>(), exp(s - vec4<f32>(larger)), there);
        workgroupBarrier();
        scores[at] = p.x;
        scores[at + 4u] = p.y;
        scores[at + 8u] = p.z;
        scores[at + 12u] = p.w;
        workgroupBarrier();
        sum *= shrink;
#unroll u CHANNELS
        made_$u *= shrink;
#end
        for (var j = 0u; j < 16u; j++) {
            let p = scores[row * 17u + j];
            sum += p;
#unroll u CHANNELS
            made_$u += p * tile[j * ROW + own + ${4*u}u];
#end
        }
    }
    let token = block + row;
    if group < PAIRS * blocks && token < QUERIES {
        let to = begin_of(token, QUERIES, pair);
#unroll u CHANNELS
        if own + ${4*u}u < D {
            o[to + own + ${4*u}u] = made_$u / sum;
        }
#end
        if own == 0u {
            log_sum[row_of(token, QUERIES, pair)] = most + log(sum);
        }
    }
}
