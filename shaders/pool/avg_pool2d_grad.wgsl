// dx of average pooling, one invocation an input pixel: the sum of its shares of the windows that
// cover it.
override COUNT: u32;
override H: u32;
override W: u32;
override C: u32;
override OH: u32;
override OW: u32;
override KERNEL: u32;
override STRIDE: u32;
override PADDING: u32;
override INCLUDE_PAD: u32;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;

// How many input positions a window covers along one axis.
fn covered(out: u32, size: u32) -> u32 {
    return min(out * STRIDE + KERNEL - PADDING, size) - (max(out * STRIDE, PADDING) - PADDING);
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
    var acc = 0.0;
    for (var oy = oy0; oy < oy1; oy++) {
        for (var ox = ox0; ox < ox1; ox++) {
            let divisor = select(covered(oy, H) * covered(ox, W), KERNEL * KERNEL, INCLUDE_PAD == 1u);
            acc += dy[((n * OH + oy) * OW + ox) * C + c] / f32(divisor);
        }
    }
    dx[i] = acc;
}
