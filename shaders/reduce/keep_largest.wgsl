// The K largest of what was kept of each row and of N more columns, in the order in which they come: one workgroup a row. The
// smallest that stays is selected by radix; then each invocation takes what stays of a stretch of its own. Of what is kept, K
// values stand before their K places.
#import shared/keys
#import shared/radix

override ROWS: u32;
override N: u32;
override K: u32;

// Floats, by their bits: none of them is touched.
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> kept: array<u32>;
// The place of the first column of x, and how many columns count.
@group(0) @binding(2) var<storage, read> span: array<u32>;
@group(0) @binding(3) var<storage, read_write> stays: array<u32>;

// Of each stretch: how many are larger than the smallest that stays, and how many equal it; then, how many of the stretches before.
var<workgroup> larger: array<u32, 256>;
var<workgroup> equal: array<u32, 256>;
// How many of the equal ones stay.
var<workgroup> room: u32;

fn candidate(row: u32, i: u32) -> u32 {
    if i < K {
        return kept[2u * row * K + i];
    }
    return x[row * N + i - K];
}

fn key_of(row: u32, i: u32) -> u32 {
    return key(bitcast<f32>(candidate(row, i)));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.x + wid.y * nwg.x;
    if row >= ROWS {
        return;
    }
    let valid = min(span[1], N);
    // Of K and `valid` candidates, as many as are valid come before the smallest that stays.
    let count = K + valid;
    select_key(row, lane, valid, count);
    let smallest = found;
    let stretch = (count + LANES - 1u) / LANES;
    let begin = min(lane * stretch, count);
    let end = min(begin + stretch, count);
    var over = 0u;
    var same = 0u;
    for (var i = begin; i < end; i++) {
        let k = key_of(row, i);
        over += select(0u, 1u, k > smallest);
        same += select(0u, 1u, k == smallest);
    }
    larger[lane] = over;
    equal[lane] = same;
    workgroupBarrier();
    if lane == 0u {
        over = 0u;
        same = 0u;
        for (var other = 0u; other < LANES; other++) {
            let own = vec2<u32>(larger[other], equal[other]);
            larger[other] = over;
            equal[other] = same;
            over += own.x;
            same += own.y;
        }
        room = K - over;
    }
    workgroupBarrier();
    var seen = equal[lane];
    var at = 2u * row * K + larger[lane] + min(seen, room);
    for (var i = begin; i < end; i++) {
        let k = key_of(row, i);
        var large = k > smallest;
        if k == smallest {
            large = seen < room;
            seen++;
        }
        if large {
            stays[at] = candidate(row, i);
            if i < K {
                stays[at + K] = kept[(2u * row + 1u) * K + i];
            } else {
                stays[at + K] = span[0] + i - K;
            }
            at++;
        }
    }
}
