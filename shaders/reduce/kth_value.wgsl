// The element of each row of N that has a given ascending rank: one workgroup a row. The row's elements are counted by the
// first byte of their keys; then those whose first byte is that of the wanted one by the second byte; and so on.
#import shared/keys

override ROWS: u32;
override N: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> rank: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const LANES: u32 = 256u;

// How many keys have each value of the byte at hand.
var<workgroup> bins: array<atomic<u32>, 256>;
// The bytes found so far, and the rank among the keys that begin with them.
var<workgroup> found: u32;
var<workgroup> left: u32;

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
    if lane == 0u {
        found = 0u;
        left = min(u32(max(rank[row], 0.0)), N - 1u);
    }
    for (var byte = 0u; byte < 4u; byte++) {
        let shift = 24u - 8u * byte;
        atomicStore(&bins[lane], 0u);
        workgroupBarrier();
        let begin = found;
        for (var i = lane; i < N; i += LANES) {
            let k = key(x[row * N + i]);
            // Two shifts: one by 32 is not defined.
            if byte == 0u || ((k >> shift) >> 8u) == begin {
                atomicAdd(&bins[(k >> shift) & 255u], 1u);
            }
        }
        workgroupBarrier();
        if lane == 0u {
            var value = 0u;
            var rest = left;
            var count = atomicLoad(&bins[0]);
            while rest >= count && value < 255u {
                rest -= count;
                value++;
                count = atomicLoad(&bins[value]);
            }
            left = rest;
            found = (begin << 8u) | value;
        }
        workgroupBarrier();
    }
    if lane == 0u {
        y[row] = number(found);
    }
}
