// The level's gradient, the sum of what each query has of it; the table has none.
override ROWS: u32;
override COUNT: u32;

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> d: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < ROWS; i += 64u) {
        sum += rows[2u * ROWS + i];
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var i = lane; i < COUNT; i += 64u) {
        var total = 0.0;
        if i == 0u {
            for (var j = 0u; j < 64u; j++) {
                total += sums[j];
            }
        }
        d[i] = total;
    }
}
