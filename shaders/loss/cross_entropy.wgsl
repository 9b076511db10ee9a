// Cross-entropy of every row with its label, smoothed by SMOOTHING, and log(sum exp(x)).
#import shared/rows

override SMOOTHING: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> log_sum_exp: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = place(wid.x + wid.y * nwg.x, lane);
    var m = -3.4e38;
    for (var i = p.first; i < p.end; i += LANES) {
        m = max(m, x[i]);
    }
    m = row_max(lane, m);
    var s = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        s += exp(x[i] - m);
    }
    s = row_sum(lane, s);
    let label = labels[p.row];
    let at = p.row * COLUMNS + label;
    var hit = 0.0;
    var all = 0.0;
    for (var i = p.first; i < p.end; i += LANES) {
        let d = x[i] - m;
        hit += select(0.0, d, i == at);
        all += d;
    }
    hit = row_sum(lane, hit);
    all = row_sum(lane, all);
    if p.stores {
        let log_sum = log(s);
        let good = log_sum - ((1.0 - SMOOTHING) * hit + SMOOTHING / f32(COLUMNS) * all);
        // A label that is no class makes the loss NaN.
        let bad = bitcast<f32>(label | 0x7fc00000u);
        loss[p.row] = select(bad, good, label < COLUMNS);
        log_sum_exp[p.row] = m + log_sum;
    }
}
