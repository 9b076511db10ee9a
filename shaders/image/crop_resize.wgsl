// Bilinear crop of byte images, one invocation an output pixel. Neighbours repeat the edge of the box;
// pixels of the box outside of the image are 0.
override COUNT: u32;
override H: u32;
override W: u32;
override C: u32;
override OH: u32;
override OW: u32;
override ROW_WORDS: u32;

@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn pixel(n: u32, y: i32, x: i32, c: u32) -> f32 {
    if y < 0 || x < 0 || u32(y) >= H || u32(x) >= W {
        return 0.0;
    }
    let at = (u32(y) * W + u32(x)) * C + c;
    return f32(extractBits(images[n * ROW_WORDS + at / 4u], 8u * (at % 4u), 8u));
}

// Place in a box of `size` pixels that output pixel i of `count` reads.
fn place(i: u32, size: f32, count: u32) -> f32 {
    let scale = select(size / f32(count), 1.0, size == f32(count));
    return clamp((f32(i) + 0.5) * scale - 0.5, 0.0, size - 1.0);
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
    let n = i / OW / OH;
    let row = n * ${COLUMNS}u;
    let size_y = max(trunc(params[row + ${CROP_HEIGHT}u]), 1.0);
    let size_x = max(trunc(params[row + ${CROP_WIDTH}u]), 1.0);
    let ox = select(i % OW, OW - 1u - i % OW, params[row + ${FLIP}u] != 0.0);
    let oy = select(i / OW % OH, OH - 1u - i / OW % OH, params[row + ${FLIP_Y}u] != 0.0);
    let at_y = place(oy, size_y, OH);
    let at_x = place(ox, size_x, OW);
    let y0 = floor(at_y);
    let x0 = floor(at_x);
    let top = i32(params[row + ${CROP_Y}u]) + i32(y0);
    let left = i32(params[row + ${CROP_X}u]) + i32(x0);
    let bottom = top + select(0, 1, y0 + 1.0 < size_y);
    let right = left + select(0, 1, x0 + 1.0 < size_x);
    let ty = at_y - y0;
    let tx = at_x - x0;
    for (var c = 0u; c < C; c++) {
        let a = pixel(n, top, left, c);
        let b = pixel(n, top, right, c);
        let d = pixel(n, bottom, left, c);
        let e = pixel(n, bottom, right, c);
        let upper = a + tx * (b - a);
        let lower = d + tx * (e - d);
        out[i * C + c] = (upper + ty * (lower - upper)) / 255.0;
    }
}
