// The rate of memory: one storage buffer copied to another, neighbours next to each other, by words or, with WIDE,
// by fours of them.
#if WIDE
alias Unit = vec4<u32>;
#else
alias Unit = u32;
#end
@group(0) @binding(0) var<storage, read> x: array<Unit>;
@group(0) @binding(1) var<storage, read_write> y: array<Unit>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 64u + lane;
    if i < arrayLength(&y) {
        y[i] = x[i];
    }
}
