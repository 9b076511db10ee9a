// The cut of each row of descending magnitudes with the largest score S_k S_k / k, one workgroup a row: invocations sum
// chunks of 64, one of them adds the chunks up in order, then all look for the best score in theirs. Products never feed a
// sum but where they are exact, so that nothing can be contracted to another result.
override ROWS: u32;
override N: u32;
override CHUNKS: u32;

@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read> reciprocals: array<f32>;
@group(0) @binding(2) var<storage, read_write> before: array<f32>;
@group(0) @binding(3) var<storage, read_write> threshold: array<f32>;

const LANES: u32 = 64u;
const CHUNK: u32 = 64u;

var<workgroup> scores: array<f32, 64>;
var<workgroup> places: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.x + wid.y * nwg.x;
    if row >= ROWS {
        return;
    }
    let base = row * N;
    let exponent = (bitcast<u32>(m[base]) >> 23u) & 255u;
    let scale = bitcast<f32>(max(254u - min(exponent, 254u), 1u) << 23u);
    for (var c = lane; c < CHUNKS; c += LANES) {
        var within = 0.0;
        for (var i = c * CHUNK; i < min((c + 1u) * CHUNK, N); i++) {
            within += m[base + i] * scale;
        }
        before[row * CHUNKS + c] = within;
    }
    storageBarrier();
    if lane == 0u {
        var sum = 0.0;
        for (var c = 0u; c < CHUNKS; c++) {
            let own = before[row * CHUNKS + c];
            before[row * CHUNKS + c] = sum;
            sum += own;
        }
    }
    storageBarrier();
    var best = -1.0;
    var at = 0u;
    for (var c = lane; c < CHUNKS; c += LANES) {
        let earlier = before[row * CHUNKS + c];
        var within = 0.0;
        for (var i = c * CHUNK; i < min((c + 1u) * CHUNK, N); i++) {
            within += m[base + i] * scale;
            let sum = earlier + within;
            let score = sum * sum * reciprocals[i];
            if score > best {
                best = score;
                at = i;
            }
        }
    }
    scores[lane] = best;
    places[lane] = at;
    workgroupBarrier();
    if lane == 0u {
        for (var other = 1u; other < LANES; other++) {
            let score = scores[other];
            if score > best || (score == best && places[other] < at) {
                best = score;
                at = places[other];
            }
        }
        threshold[row] = select(m[base + at], 0.0, exponent == 0u);
    }
}
