// y[B + T * c] = x[c], VALUE elsewhere, over six axes: N extents of y, B elements before, T distance of
// neighbours, E extents of x.
override COUNT: u32;
override VALUE: f32;
override N0: u32;
override N1: u32;
override N2: u32;
override N3: u32;
override N4: u32;
override N5: u32;
override B0: u32;
override B1: u32;
override B2: u32;
override B3: u32;
override B4: u32;
override B5: u32;
override T0: u32;
override T1: u32;
override T2: u32;
override T3: u32;
override T4: u32;
override T5: u32;
override E0: u32;
override E1: u32;
override E2: u32;
override E3: u32;
override E4: u32;
override E5: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

// Whether output index `c` along an axis has a source.
fn inside(c: u32, b: u32, t: u32, e: u32) -> bool {
    return c >= b && (c - b) % t == 0u && (c - b) / t < e;
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
    let c5 = i % N5;
    let c4 = i / N5 % N4;
    let c3 = i / N5 / N4 % N3;
    let c2 = i / N5 / N4 / N3 % N2;
    let c1 = i / N5 / N4 / N3 / N2 % N1;
    let c0 = i / N5 / N4 / N3 / N2 / N1 % N0;
    let has_source = inside(c0, B0, T0, E0) && inside(c1, B1, T1, E1) && inside(c2, B2, T2, E2)
        && inside(c3, B3, T3, E3) && inside(c4, B4, T4, E4) && inside(c5, B5, T5, E5);
    if !has_source {
        y[i] = VALUE;
        return;
    }
    var at = (c0 - B0) / T0;
    at = at * E1 + (c1 - B1) / T1;
    at = at * E2 + (c2 - B2) / T2;
    at = at * E3 + (c3 - B3) / T3;
    at = at * E4 + (c4 - B4) / T4;
    at = at * E5 + (c5 - B5) / T5;
    y[i] = x[at];
}
