// One direction of a Gaussian blur of images seen as [n, outer, EXTENT, INNER], one invocation an element.
// The picture is mirrored at its edges; images of sigma 0 are copied.
override COUNT: u32;
override IMAGE: u32;
override EXTENT: u32;
override INNER: u32;
override RADIUS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
    let sigma = params[i / IMAGE * ${COLUMNS}u + ${BLUR}u];
    if sigma <= 0.0 {
        y[i] = x[i];
        return;
    }
    let at = i / INNER % EXTENT;
    let start = i - at * INNER;
    let scale = -0.5 / (sigma * sigma);
    var acc = x[i];
    var sum = 1.0;
    for (var d = 1u; d <= RADIUS; d++) {
        let weight = exp(f32(d * d) * scale);
        let before = max(at, d) - min(at, d);
        let after = select(2u * (EXTENT - 1u) - at - d, at + d, at + d < EXTENT);
        acc += weight * (x[start + before * INNER] + x[start + after * INNER]);
        sum += 2.0 * weight;
    }
    y[i] = acc / sum;
}
