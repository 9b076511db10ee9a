// y[c] = x[BASE + sum of c_a * S_a] for an output of six axes, of which N1..N5 are the extents of all
// but the first. Words are moved unread, so floats and integers alike.
override COUNT: u32;
override BASE: u32;
override N1: u32;
override N2: u32;
override N3: u32;
override N4: u32;
override N5: u32;
override S0: u32;
override S1: u32;
override S2: u32;
override S3: u32;
override S4: u32;
override S5: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

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
    let c4 = i / N5;
    let c3 = c4 / N4;
    let c2 = c3 / N3;
    let c1 = c2 / N2;
    let c0 = c1 / N1;
    y[i] = x[BASE + c0 * S0 + c1 % N1 * S1 + c2 % N2 * S2 + c3 % N3 * S3 + c4 % N4 * S4 + i % N5 * S5];
}
