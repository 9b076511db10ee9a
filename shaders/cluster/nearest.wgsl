// Numbers of the nearest of K centres, y[set, point], by |c|² - 2 x.c along M of D coordinates. A workgroup takes 64
// points and runs over the centres 64 at a time: 16 coordinates of both lie in workgroup memory, an invocation has 4 x 4
// products in registers and keeps the best two scores of its points. Products are summed from the first coordinate to
// the last. A centre's last number is |c|². Bit 31 of a result tells that the second centre is as near but for rounding.
override POINTS: u32;
override D: u32;
override SETS: u32;
override M: u32;
override K: u32;
override NEARNESS: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> columns: array<u32>;
@group(0) @binding(2) var<storage, read> centres: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

// By coordinate, four neighbouring points or centres together; at the end the best two scores of each invocation.
var<workgroup> tile_x: array<vec4<f32>, 256>;
var<workgroup> tile_c: array<vec4<f32>, 256>;
var<workgroup> tile_at: array<vec4<u32>, 256>;

const FAR: f32 = 3e38;

fn coordinate(point: u32, column: u32) -> f32 {
    if point < POINTS && column < D {
        return x[point * D + column];
    }
    return 0.0;
}

fn centre(which: u32, j: u32, q: u32) -> f32 {
    if j < K && q < M {
        return centres[(which * K + j) * (M + 1u) + q];
    }
    return 0.0;
}

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
    var best = vec4<f32>(FAR);
    var second = vec4<f32>(FAR);
    var at = vec4<u32>();
    for (var top = 0u; top < K; top += 64u) {
        var s0 = vec4<f32>();
        var s1 = vec4<f32>();
        var s2 = vec4<f32>();
        var s3 = vec4<f32>();
        for (var q = 0u; q < M; q += 16u) {
            // Neighbours load neighbouring coordinates.
            let t = lane % 16u;
            let four = lane / 16u * 4u;
            var column = D;
            if q + t < M {
                column = columns[which * M + q + t];
            }
            tile_x[t * 16u + four / 4u] = vec4<f32>(
                coordinate(first + four, column),
                coordinate(first + four + 1u, column),
                coordinate(first + four + 2u, column),
                coordinate(first + four + 3u, column),
            );
            tile_c[t * 16u + four / 4u] = vec4<f32>(
                centre(which, top + four, q + t),
                centre(which, top + four + 1u, q + t),
                centre(which, top + four + 2u, q + t),
                centre(which, top + four + 3u, q + t),
            );
            workgroupBarrier();
#unroll i 16
            {
                let a = tile_x[$iu * 16u + p];
                let b = tile_c[$iu * 16u + c];
                s0 += a * b.x;
                s1 += a * b.y;
                s2 += a * b.z;
                s3 += a * b.w;
            }
#end
            workgroupBarrier();
        }
#unroll i 4
        {
            let j = top + c * 4u + $iu;
            if j < K {
                let norm = centres[(which * K + j) * (M + 1u) + M];
                let score = norm - 2.0 * s$i;
                let better = score < best;
                second = min(select(score, best, better), second);
                best = select(best, score, better);
                at = select(at, vec4<u32>(j), better);
            }
        }
#end
    }
    tile_x[lane] = best;
    tile_c[lane] = second;
    tile_at[lane] = at;
    workgroupBarrier();
    let point = first + lane;
    if lane >= 64u || point >= POINTS {
        return;
    }
    // Lane 4 i + e of the first 64 takes point e of column i of the invocations.
    let i = lane / 4u;
    let e = lane % 4u;
    var least = tile_x[i][e];
    var next = tile_c[i][e];
    var found = tile_at[i][e];
    for (var row = 1u; row < 16u; row++) {
        let score = tile_x[row * 16u + i][e];
        let j = tile_at[row * 16u + i][e];
        if score < least || (score == least && j < found) {
            next = min(next, least);
            least = score;
            found = j;
        } else {
            next = min(next, score);
        }
        next = min(next, tile_c[row * 16u + i][e]);
    }
    var squares = 0.0;
    for (var q = 0u; q < M; q++) {
        let v = coordinate(point, columns[which * M + q]);
        squares += v * v;
    }
    let norm = centres[(which * K + found) * (M + 1u) + M];
    let near = next - least <= NEARNESS * (2.0 * norm + squares);
    y[which * POINTS + point] = found | select(0u, 0x80000000u, near);
}
