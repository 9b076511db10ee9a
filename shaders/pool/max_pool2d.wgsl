// y[n, oy, ox, c] = largest x of the window, one invocation an output.
override COUNT: u32;
override H: u32;
override W: u32;
override C: u32;
override OH: u32;
override OW: u32;
override KERNEL: u32;
override STRIDE: u32;
override PADDING: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i >= COUNT {
        return;
    }
    let c = i % C;
    let ox = i / C % OW;
    let oy = i / C / OW % OH;
    let n = i / C / OW / OH;
    let y0 = max(oy * STRIDE, PADDING) - PADDING;
    let x0 = max(ox * STRIDE, PADDING) - PADDING;
    let y1 = min(oy * STRIDE + KERNEL - PADDING, H);
    let x1 = min(ox * STRIDE + KERNEL - PADDING, W);
    var best = x[((n * H + y0) * W + x0) * C + c];
    for (var v = y0; v < y1; v++) {
        for (var u = x0; u < x1; u++) {
            best = max(best, x[((n * H + v) * W + u) * C + c]);
        }
    }
    y[i] = best;
}
