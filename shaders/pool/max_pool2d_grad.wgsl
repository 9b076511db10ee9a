// dx of max pooling, one invocation an input pixel: it sums the gradients of the windows that cover it
// and of which it is the first maximum, row by row.
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
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

// Whether the window (oy, ox) of image n holds `value` before pixel (v, u).
fn earlier(n: u32, oy: u32, ox: u32, c: u32, v: u32, u: u32, value: f32) -> bool {
    let y0 = max(oy * STRIDE, PADDING) - PADDING;
    let x0 = max(ox * STRIDE, PADDING) - PADDING;
    let x1 = min(ox * STRIDE + KERNEL - PADDING, W);
    for (var a = y0; a <= v; a++) {
        let end = select(x1, u, a == v);
        for (var b = x0; b < end; b++) {
            if x[((n * H + a) * W + b) * C + c] == value {
                return true;
            }
        }
    }
    return false;
}

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
    let u = i / C % W;
    let v = i / C / W % H;
    let n = i / C / W / H;
    let oy0 = (max(v + PADDING + 1u, KERNEL) - KERNEL + STRIDE - 1u) / STRIDE;
    let ox0 = (max(u + PADDING + 1u, KERNEL) - KERNEL + STRIDE - 1u) / STRIDE;
    let oy1 = min((v + PADDING) / STRIDE + 1u, OH);
    let ox1 = min((u + PADDING) / STRIDE + 1u, OW);
    let value = x[i];
    var acc = 0.0;
    for (var oy = oy0; oy < oy1; oy++) {
        for (var ox = ox0; ox < ox1; ox++) {
            let at = ((n * OH + oy) * OW + ox) * C + c;
            if y[at] == value && !earlier(n, oy, ox, c, v, u, value) {
                acc += dy[at];
            }
        }
    }
    dx[i] = acc;
}
