// Numbers of the nearest of K centres, y[set, point], by |c|² - 2 x.c along M of D coordinates, summed from the first
// coordinate to the last. A centre's last number is |c|². Bit 31 of a result tells that the second centre is as near but
// for rounding.
#import shared/centres
override D: u32;
override NEARNESS: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> centres: array<f32>;

alias Number = f32;
alias Sum = f32;

const FAR: f32 = 3e38;

// The two smallest scores of four points, and the centre of the smallest.
struct Best {
    first: vec4<f32>,
    second: vec4<f32>,
    at: vec4<u32>,
}

var<workgroup> kept_at: array<vec4<u32>, 256>;

fn depth() -> u32 {
    return M;
}

fn coordinate(point: u32, column: u32) -> f32 {
    if point < POINTS && column < D {
        return x[point * D + column];
    }
    return 0.0;
}

fn points_at(which: u32, point: u32, k: u32) -> vec4<f32> {
    var column = D;
    if k < M {
        column = columns[which * M + k];
    }
    return vec4<f32>(
        coordinate(point, column),
        coordinate(point + 1u, column),
        coordinate(point + 2u, column),
        coordinate(point + 3u, column),
    );
}

fn centre(which: u32, j: u32, k: u32) -> f32 {
    if j < K && k < M {
        return centres[(which * K + j) * (M + 1u) + k];
    }
    return 0.0;
}

fn centres_at(which: u32, j: u32, k: u32) -> vec4<f32> {
    return vec4<f32>(centre(which, j, k), centre(which, j + 1u, k), centre(which, j + 2u, k), centre(which, j + 3u, k));
}

fn term(a: vec4<f32>, b: f32) -> vec4<f32> {
    return a * b;
}

fn prepare(which: u32, first: u32, lane: u32) {
}

fn start(p: u32) -> Best {
    return Best(vec4<f32>(FAR), vec4<f32>(FAR), vec4<u32>());
}

fn look(best: Best, which: u32, j: u32, sums: vec4<f32>, own: f32) -> Best {
    let norm = centres[(which * K + j) * (M + 1u) + M];
    let score = norm - 2.0 * sums;
    let better = score < best.first;
    return Best(
        select(best.first, score, better),
        min(select(score, best.first, better), best.second),
        select(best.at, vec4<u32>(j), better),
    );
}

fn keep(lane: u32, best: Best) {
    tile_points[lane] = best.first;
    tile_centres[lane] = best.second;
    kept_at[lane] = best.at;
}

fn choose(which: u32, point: u32, lane: u32, i: u32, e: u32) -> u32 {
    var least = tile_points[i][e];
    var next = tile_centres[i][e];
    var found = kept_at[i][e];
    for (var row = 1u; row < 16u; row++) {
        let score = tile_points[row * 16u + i][e];
        let j = kept_at[row * 16u + i][e];
        if score < least || (score == least && j < found) {
            next = min(next, least);
            least = score;
            found = j;
        } else {
            next = min(next, score);
        }
        next = min(next, tile_centres[row * 16u + i][e]);
    }
    var squares = 0.0;
    for (var q = 0u; q < M; q++) {
        let v = coordinate(point, columns[which * M + q]);
        squares += v * v;
    }
    let norm = centres[(which * K + found) * (M + 1u) + M];
    let near = next - least <= NEARNESS * (2.0 * norm + squares);
    return found | select(0u, 0x80000000u, near);
}
