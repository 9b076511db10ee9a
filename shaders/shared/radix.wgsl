// Selects by radix, a workgroup a row: the keys of a row, `key_of(row, i)`, are counted by their first byte; then those whose
// first byte is that of the wanted one by the second byte; and so on.
const LANES: u32 = 256u;

// How many keys have each value of the byte at hand.
var<workgroup> bins: array<atomic<u32>, 256>;
// The bytes found so far, and the rank among the keys that begin with them.
var<workgroup> found: u32;
var<workgroup> left: u32;

// Leaves in `found` the key before which `rank` others of `count` come in ascending order.
fn select_key(row: u32, lane: u32, rank: u32, count: u32) {
    if lane == 0u {
        found = 0u;
        left = rank;
    }
    for (var byte = 0u; byte < 4u; byte++) {
        let shift = 24u - 8u * byte;
        atomicStore(&bins[lane], 0u);
        workgroupBarrier();
        let begin = found;
        for (var i = lane; i < count; i += LANES) {
            let k = key_of(row, i);
            // Two shifts: one by 32 is not defined.
            if byte == 0u || ((k >> shift) >> 8u) == begin {
                atomicAdd(&bins[(k >> shift) & 255u], 1u);
            }
        }
        workgroupBarrier();
        if lane == 0u {
            var value = 0u;
            var rest = left;
            var keys = atomicLoad(&bins[0]);
            while rest >= keys && value < 255u {
                rest -= keys;
                value++;
                keys = atomicLoad(&bins[value]);
            }
            left = rest;
            found = (begin << 8u) | value;
        }
        workgroupBarrier();
    }
}
