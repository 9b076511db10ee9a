// A block of keys in workgroup memory and the exchanges of a bitonic network within it, by 256 invocations.
override BLOCK: u32;

const LANES: u32 = 256u;

var<workgroup> keys_here: array<u32, 2048>;

// Puts keys `distance` apart in order; `at` is the block's first place in its row. Runs of `run` keys alternate between
// falling and rising.
fn exchange(lane: u32, at: u32, run: u32, distance: u32) {
    for (var pair = lane; pair < BLOCK / 2u; pair += LANES) {
        let low = pair & (distance - 1u);
        let a = ((pair - low) << 1u) + low;
        let x = keys_here[a];
        let y = keys_here[a + distance];
        let falling = ((at + a) & run) == 0u;
        if (x < y) == falling {
            keys_here[a] = y;
            keys_here[a + distance] = x;
        }
    }
    workgroupBarrier();
}
