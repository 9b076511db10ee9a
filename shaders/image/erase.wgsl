// Boxes of the images filled with VALUE: one invocation an element.
override COUNT: u32;
override H: u32;
override W: u32;
override C: u32;
override VALUE: f32;

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
    let n = i / C / W / H * ${COLUMNS}u;
    let down = f32(i / C / W % H) - params[n + ${ERASE_Y}u];
    let right = f32(i / C % W) - params[n + ${ERASE_X}u];
    let inside = down >= 0.0 && right >= 0.0 && down < params[n + ${ERASE_HEIGHT}u] && right < params[n + ${ERASE_WIDTH}u];
    y[i] = select(x[i], VALUE, inside);
}
