// Numbers of the centres that share most with each code, y[set, point], in M of V places. Codes and centres are 16-bit
// halves, two to a word, rows starting on a new word: a number is a word of two places. 0xffff in a centre is a place that
// is not looked at. Of equal scores the smallest key wins, then the lowest number.
#import shared/centres
override V: u32;
override LOWEST: u32;

@group(0) @binding(0) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> centres: array<u32>;

alias Number = u32;
alias Sum = i32;

// The largest scores of four points, their centres and those centres' keys; and what the keys are made of.
struct Best {
    score: vec4<i32>,
    key: vec4<u32>,
    at: vec4<u32>,
    digest: vec4<u32>,
}

var<workgroup> digests: array<u32, 64>;

fn depth() -> u32 {
    return (M + 1u) / 2u;
}

// Without branches, here and below: the 24 calls of a step are inlined, and SwiftShader needs 15 seconds to compile the
// branches of them.
fn letter(which: u32, point: u32, place: u32) -> u32 {
    let column = columns[which * M + min(place, M - 1u)];
    let word = codes[min(point, POINTS - 1u) * ((V + 1u) / 2u) + min(column, V - 1u) / 2u];
    return select(0xfffeu, (word >> (16u * (column % 2u))) & 0xffffu, point < POINTS && place < M && column < V);
}

fn two_letters(which: u32, point: u32, word: u32) -> u32 {
    return letter(which, point, 2u * word) | (letter(which, point, 2u * word + 1u) << 16u);
}

fn points_at(which: u32, point: u32, k: u32) -> vec4<u32> {
    return vec4<u32>(
        two_letters(which, point, k),
        two_letters(which, point + 1u, k),
        two_letters(which, point + 2u, k),
        two_letters(which, point + 3u, k),
    );
}

// Past the last place stands what is not looked at.
fn centre(which: u32, j: u32, word: u32) -> u32 {
    let two = centres[(which * K + min(j, K - 1u)) * depth() + min(word, depth() - 1u)];
    let whole = select(two, two | 0xffff0000u, 2u * word + 1u >= M);
    return select(0xffffffffu, whole, j < K && word < depth());
}

fn centres_at(which: u32, j: u32, k: u32) -> vec4<u32> {
    return vec4<u32>(centre(which, j, k), centre(which, j + 1u, k), centre(which, j + 2u, k), centre(which, j + 3u, k));
}

// How many of the halves of four points equal those of a centre; a place that is not looked at equals nothing, as no
// letter of a point is 0xffff.
fn term(a: vec4<u32>, b: u32) -> vec4<i32> {
    let d = a ^ vec4<u32>(b);
    return vec4<i32>((d & vec4<u32>(0xffffu)) == vec4<u32>()) + vec4<i32>((d >> vec4<u32>(16u)) == vec4<u32>());
}

// How many places of four centres are looked at.
fn weights(b: vec4<u32>) -> vec4<i32> {
    return vec4<i32>((b & vec4<u32>(0xffffu)) != vec4<u32>(0xffffu))
        + vec4<i32>((b >> vec4<u32>(16u)) != vec4<u32>(0xffffu));
}

fn keys(digests: vec4<u32>, j: u32) -> vec4<u32> {
    if LOWEST == 1u {
        return vec4<u32>();
    }
    var h = digests ^ vec4<u32>(j * 0x9E3779B9u);
    h = (h ^ (h >> vec4<u32>(16u))) * 0x85EBCA6Bu;
    h = (h ^ (h >> vec4<u32>(13u))) * 0xC2B2AE35u;
    return h ^ (h >> vec4<u32>(16u));
}

fn key(digest: u32, j: u32) -> u32 {
    return keys(vec4<u32>(digest), j).x;
}

fn prepare(which: u32, first: u32, lane: u32) {
    if lane < 64u {
        var h = 0x811C9DC5u;
        for (var u = 0u; u < M; u++) {
            h = (h ^ letter(which, first + lane, u)) * 0x01000193u;
        }
        digests[lane] = h;
    }
    workgroupBarrier();
}

fn start(p: u32) -> Best {
    let digest = vec4<u32>(digests[4u * p], digests[4u * p + 1u], digests[4u * p + 2u], digests[4u * p + 3u]);
    return Best(vec4<i32>(-2147483647), vec4<u32>(0xffffffffu), vec4<u32>(), digest);
}

/// `select` of integers, which GLSL has in no vectors without an extension: ones in the mask take the new ones.
fn taken(old: vec4<u32>, new_: vec4<u32>, mask: vec4<u32>) -> vec4<u32> {
    return (old & ~mask) | (new_ & mask);
}

fn look(best: Best, which: u32, j: u32, sums: vec4<i32>, sampled: i32) -> Best {
#if WEIGHTS
    let score = 2 * sums - vec4<i32>(sampled);
#else
    let score = sums;
#end
    let k = keys(best.digest, j);
    let better = (score > best.score) | ((score == best.score) & (k < best.key));
    let mask = vec4<u32>() - vec4<u32>(better);
    return Best(
        bitcast<vec4<i32>>(taken(bitcast<vec4<u32>>(best.score), bitcast<vec4<u32>>(score), mask)),
        taken(best.key, k, mask),
        taken(best.at, vec4<u32>(j), mask),
        best.digest,
    );
}

fn keep(lane: u32, best: Best) {
    tile_points[lane] = bitcast<vec4<u32>>(best.score);
    tile_centres[lane] = best.at;
}

// Keys of different centres differ, unless the lowest number decides.
fn choose(which: u32, point: u32, lane: u32, i: u32, e: u32) -> u32 {
    var most = bitcast<i32>(tile_points[i][e]);
    var found = tile_centres[i][e];
    for (var row = 1u; row < 16u; row++) {
        let score = bitcast<i32>(tile_points[row * 16u + i][e]);
        let j = tile_centres[row * 16u + i][e];
        let k = key(digests[lane], j);
        let least = key(digests[lane], found);
        if score > most || (score == most && (k < least || (k == least && j < found))) {
            most = score;
            found = j;
        }
    }
    return found;
}
