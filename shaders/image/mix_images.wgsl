// Each image with the one before it in the batch: blended, or with a box of it. One invocation an element.
override COUNT: u32;
override IMAGES: u32;
override H: u32;
override W: u32;
override C: u32;

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
    let each = H * W * C;
    let n = i / each;
    let other = x[select(n - 1u, IMAGES - 1u, n == 0u) * each + i % each];
    let row = n * ${COLUMNS}u;
    let height = params[row + ${MIX_HEIGHT}u];
    let share = params[row + ${MIX_SHARE}u];
    if height > 0.0 {
        let down = f32(i / C / W % H) - params[row + ${MIX_Y}u];
        let right = f32(i / C % W) - params[row + ${MIX_X}u];
        let inside = down >= 0.0 && right >= 0.0 && down < height && right < params[row + ${MIX_WIDTH}u];
        y[i] = select(x[i], other, inside);
    } else {
        y[i] = share * x[i] + (1.0 - share) * other;
    }
}
