// What a dispatch costs: it does next to nothing, but waits for the one before it.
@group(0) @binding(0) var<storage, read> plan: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(1)
fn main() {
    result[0] += plan[1];
}
