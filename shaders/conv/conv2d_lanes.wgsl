// Convolution for software adapters with subgroups: the LANES invocations of a subgroup make ROWS output pixels by
// 4 LANES output channels together (see linalg/matmul_lanes). With QUADS C is a multiple of 4. One group.
#import shared/conv

#if QUADS
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
#end
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(${4*LANES})
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 4u + subgroup;
    let pixels = NB * OH * OW;
    let blocks = (pixels + $ROWSu - 1u) / $ROWSu;
    if i >= blocks * ((O + ${4*LANES}u - 1u) / ${4*LANES}u) {
        return;
    }
    let first = i % blocks * $ROWSu;
    let left = i / blocks * ${4*LANES}u;
    // Loads of a pixel.
    let loads = CI / ${3*QUADS+1}u;
#unroll h ROWS/LANES
    let p$h = min(first + lane + ${h*LANES}u, pixels - 1u);
    // The window's first row and column, offset by PADDING so that they stay unsigned.
    let iy$h = p$h / OW % OH * STRIDE;
    let ix$h = p$h % OW * STRIDE;
    let image$h = p$h / OW / OH * H;
#end
#unroll j 4
    let o$j = left + lane + ${j*LANES}u;
    let filter$j = min(o$j, O - 1u) * KH * KW * loads;
#end
#unroll r ROWS
    var s$r = vec4<f32>();
#end
    for (var ky = 0u; ky < KH; ky++) {
        for (var kx = 0u; kx < KW; kx++) {
#unroll h ROWS/LANES
            let in$h = iy$h + ky * DILATION - PADDING < H && ix$h + kx * DILATION - PADDING < W;
            let at$h = select(0u, ((image$h + iy$h + ky * DILATION - PADDING) * W + ix$h + kx * DILATION - PADDING) * loads, in$h);
#end
            let tap = (ky * KW + kx) * loads;
            for (var q = 0u; q < loads; q++) {
#if QUADS
#unroll h ROWS/LANES
                let a$h = select(vec4<f32>(), x[at$h + q], in$h);
#end
#unroll j 4
                let b$j = w[filter$j + tap + q];
#end
#unroll n 4
                let v$n = vec4<f32>(b0[$n], b1[$n], b2[$n], b3[$n]);
#unroll h ROWS/LANES
#unroll i LANES
                s${h*LANES+i} = fma(vec4<f32>(subgroupBroadcast(a$h[$n], $iu)), v$n, s${h*LANES+i});
#end
#end
#end
#else
#unroll h ROWS/LANES
                let a$h = select(0.0, x[at$h + q], in$h);
#end
                let v = vec4<f32>(
#unroll j 4
                    w[filter$j + tap + q],
#end
                );
#unroll h ROWS/LANES
#unroll i LANES
                s${h*LANES+i} = fma(vec4<f32>(subgroupBroadcast(a$h, $iu)), v, s${h*LANES+i});
#end
#end
#end
            }
        }
    }
#unroll r ROWS
    if first + $ru < pixels {
#unroll j 4
        if o$j < O {
            y[(first + $ru) * O + o$j] = s$r[$j];
        }
#end
    }
#end
}
