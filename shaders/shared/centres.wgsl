// The best of K centres for each point of each set, y[set, point]. A workgroup takes 64 points and runs over the centres
// 64 at a time: 16 numbers of both lie in workgroup memory, an invocation has 4 x 4 sums in registers and remembers the best
// for its four points; at the end what the 16 invocations of a point remember is joined.
//
// The importing shader says what a number and a sum are (`Number`, `Sum`) and how many numbers a point has (`depth`),
// fetches four neighbouring points or centres (`points_at`, `centres_at`; numbers past the ends are asked for too), adds
// what a centre's number makes of four points' (`term`), and decides: `prepare` before all, `start`, `look` at the sums of a
// centre, `keep` what is remembered in workgroup memory, `choose` among what was kept. With WEIGHTS each centre has a sum
// of its own besides, of `weights`.
override POINTS: u32;
override SETS: u32;
override M: u32;
override K: u32;

@group(0) @binding(1) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

// By number, four neighbouring points or centres together. Free for what is kept, at the end.
var<workgroup> tile_points: array<vec4<Number>, 256>;
var<workgroup> tile_centres: array<vec4<Number>, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles = (POINTS + 63u) / 64u;
    let group = wid.x + wid.y * nwg.x;
    let which = group / tiles;
    if which >= SETS {
        return;
    }
    let first = group % tiles * 64u;
    let p = lane % 16u;
    let c = lane / 16u;
    prepare(which, first, lane);
    var best = start(p);
    for (var top = 0u; top < K; top += 64u) {
#unroll i 4
        var s$i = vec4<Sum>();
#end
        var own = vec4<Sum>();
        for (var k = 0u; k < depth(); k += 16u) {
            // Neighbours load neighbouring numbers.
            tile_points[p * 16u + c] = points_at(which, first + 4u * c, k + p);
            tile_centres[p * 16u + c] = centres_at(which, top + 4u * c, k + p);
            workgroupBarrier();
            for (var i = 0u; i < 16u; i += $STEPSu) {
#unroll n STEPS
                {
                    let a = tile_points[(i + $nu) * 16u + p];
                    let b = tile_centres[(i + $nu) * 16u + c];
#unroll j 4
                    s$j += term(a, b[$j]);
#end
#if WEIGHTS
                    own += weights(b);
#end
                }
#end
            }
            workgroupBarrier();
        }
#unroll i 4
        if top + 4u * c + $iu < K {
            best = look(best, which, top + 4u * c + $iu, s$i, own[$i]);
        }
#end
    }
    keep(lane, best);
    workgroupBarrier();
    // Lane 4 i + e of the first 64 takes point e of the invocations 16 row + i.
    if lane < 64u && first + lane < POINTS {
        y[which * POINTS + first + lane] = choose(which, first + lane, lane, lane / 4u, lane % 4u);
    }
}
