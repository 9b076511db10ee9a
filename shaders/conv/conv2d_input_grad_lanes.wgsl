// dx from dy and w for software adapters with subgroups: the LANES invocations of a subgroup make ROWS input pixels of one
// phase by 4 LANES input channels together (see linalg/matmul_lanes). With QUADS both O and C are multiples of 4. One
// group.
#import shared/conv
#import shared/nowhere
#import shared/phase

#if QUADS
@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
#else
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
#end
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(${4*LANES})
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let i = (wid.x + wid.y * nwg.x) * 4u + subgroup;
    let pixels = NB * phase_rows() * phase_columns();
    let blocks = (pixels + $ROWSu - 1u) / $ROWSu;
    let columns = (CI + ${4*LANES}u - 1u) / ${4*LANES}u;
    if i >= blocks * columns * STRIDE * STRIDE {
        return;
    }
    let first = i % blocks * $ROWSu;
    let left = i / blocks % columns * ${4*LANES}u;
    let phase = i / blocks / columns;
    let py = phase / STRIDE;
    let px = phase % STRIDE;
    // Loads of an output pixel.
    let loads = O / ${3*QUADS+1}u;
#unroll h ROWS/LANES
    let p$h = min(first + lane + ${h*LANES}u, pixels - 1u);
    let iy$h = p$h / phase_columns() % phase_rows() * STRIDE + py;
    let ix$h = p$h % phase_columns() * STRIDE + px;
    let image$h = p$h / phase_columns() / phase_rows();
#end
#unroll j 4
#if QUADS
    let c$j = left + 4u * lane + $ju;
#else
    let c$j = left + lane + ${j*LANES}u;
#end
#end
#unroll r ROWS
    var s$r = vec4<f32>();
#end
    for (var ky = (py + PADDING) % STRIDE; ky < KH; ky += STRIDE) {
        for (var kx = (px + PADDING) % STRIDE; kx < KW; kx += STRIDE) {
#unroll h ROWS/LANES
            // Unsigned differences below zero are large: outside.
            let oy$h = (iy$h + PADDING - ky * DILATION) / STRIDE;
            let ox$h = (ix$h + PADDING - kx * DILATION) / STRIDE;
            let in$h = iy$h + PADDING >= ky * DILATION && ix$h + PADDING >= kx * DILATION && oy$h < OH && ox$h < OW;
            let at$h = select(0u, ((image$h * OH + oy$h) * OW + ox$h) * loads, in$h);
#end
            let tap = ky * KW + kx;
            for (var q = 0u; q < loads; q++) {
#if QUADS
#unroll h ROWS/LANES
                let a$h = select(vec4<f32>(), dy[at$h + q], in$h);
#end
#unroll n 4
                let v$n = w[((q * 4u + $nu) * KH * KW + tap) * (CI / 4u) + min(c0, CI - 4u) / 4u];
#unroll h ROWS/LANES
#unroll i LANES
                s${h*LANES+i} = fma(vec4<f32>(subgroupBroadcast(a$h[$n], $iu)), v$n, s${h*LANES+i});
#end
#end
#end
#else
#unroll h ROWS/LANES
                let a$h = select(0.0, dy[at$h + q], in$h);
#end
                let v = vec4<f32>(
#unroll j 4
                    w[(q * KH * KW + tap) * CI + min(c$j, CI - 1u)],
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
    // A row of the block is a lane's pixel: where it lies is handed round too.
#unroll h ROWS/LANES
    let to$h = select(NOWHERE, ((image$h * H + iy$h) * W + ix$h) * CI, first + lane + ${h*LANES}u < pixels && iy$h < H && ix$h < W);
#unroll i LANES
    {
        let to = subgroupBroadcast(to$h, $iu);
        if to != NOWHERE {
#unroll j 4
            if c$j < CI {
                dx[to + c$j] = s${h*LANES+i}[$j];
            }
#end
        }
    }
#end
#end
}
