// Partial dw from dy and x for software adapters with subgroups: the LANES invocations of a subgroup make ROWS output
// channels by 4 LANES pairs of a tap and an input channel together (see linalg/matmul_lanes), over CHUNK rows of output
// pixels. With QUADS C is a multiple of 4. One group.
#import shared/conv
override CHUNK: u32;
override CHUNKS: u32;

@group(0) @binding(0) var<storage, read> dy: array<f32>;
#if QUADS
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
#end
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(${4*LANES})
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 4u + subgroup;
    let rows = (O + $ROWSu - 1u) / $ROWSu;
    let width = KH * KW * CI;
    let columns = (width + ${4*LANES}u - 1u) / ${4*LANES}u;
    if i >= rows * columns * CHUNKS {
        return;
    }
    let left = i % columns * ${4*LANES}u;
    let top = i / columns % rows * $ROWSu;
    let chunk = i / columns / rows;
#unroll j 4
#if QUADS
    let column$j = left + 4u * lane + $ju;
#else
    let column$j = left + lane + ${j*LANES}u;
#end
#end
    // Of each load of x: the channel and the tap, offset by PADDING.
#unroll j LOADS
    let own$j = min(column$j, width - ${3*QUADS+1}u);
    let c$j = own$j % CI;
    let down$j = own$j / CI / KW * DILATION;
    let right$j = own$j / CI % KW * DILATION;
#end
#unroll h ROWS/LANES
    let o$h = min(top + lane + ${h*LANES}u, O - 1u);
#end
#unroll r ROWS
    var s$r = vec4<f32>();
#end
    let last = min((chunk + 1u) * CHUNK, NB * OH);
    for (var line = chunk * CHUNK; line < last; line++) {
        // Unsigned differences below zero are large: outside.
#unroll j LOADS
        let iy$j = line % OH * STRIDE + down$j - PADDING;
        let image$j = (line / OH * H + iy$j) * W;
#end
        for (var ox = 0u; ox < OW; ox++) {
            let pixel = (line * OW + ox) * O;
#unroll h ROWS/LANES
            let a$h = dy[pixel + o$h];
#end
#unroll j LOADS
            let ix$j = ox * STRIDE + right$j - PADDING;
            let in$j = iy$j < H && ix$j < W;
            let at$j = select(0u, (image$j + ix$j) * CI + c$j, in$j);
#end
#if QUADS
            let v = select(vec4<f32>(), x[at0 / 4u], in0);
#else
            let v = vec4<f32>(
#unroll j 4
                select(0.0, x[at$j], in$j),
#end
            );
#end
#unroll h ROWS/LANES
#unroll i LANES
            s${h*LANES+i} = fma(vec4<f32>(subgroupBroadcast(a$h, $iu)), v, s${h*LANES+i});
#end
#end
        }
    }
#unroll r ROWS
    if top + $ru < O {
        let to = (chunk * O + top + $ru) * width;
#unroll j 4
        if column$j < width {
            partial[to + column$j] = s$r[$j];
        }
#end
    }
#end
}
