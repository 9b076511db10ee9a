// 1 if the label of a row is among its K largest logits, else 0. Ties are won by the lower index.
#import shared/rows

override K: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> correct: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = place(wid.x + wid.y * nwg.x, lane);
    let label = labels[p.row];
    let v = x[p.row * COLUMNS + min(label, COLUMNS - 1u)];
    var better = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        let tie = x[i] == v && i < p.row * COLUMNS + label;
        better += select(0.0, 1.0, x[i] > v || tie);
    }
    better = row_sum(lane, better);
    if p.stores {
        let finite = (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
        correct[p.row] = select(0.0, 1.0, better < f32(K) && label < COLUMNS && finite);
    }
}
