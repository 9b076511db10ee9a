// Numbers of the centres that share most with each code, y[set, point], in M of V places. A workgroup takes 64 points and
// runs over the centres 64 at a time: 16 words (32 places) of both lie in workgroup memory, an invocation has 4 x 4 counts
// in registers. Codes and centres are 16-bit halves, two to a word, rows starting on a new word. 0xffff in a centre is a
// place that is not looked at. Of equal scores the smallest key wins, then the lowest number.
override POINTS: u32;
override V: u32;
override SETS: u32;
override M: u32;
override K: u32;
override EUCLIDEAN: u32;
override LOWEST: u32;

@group(0) @binding(0) var<storage, read> codes: array<u32>;
@group(0) @binding(1) var<storage, read> columns: array<u32>;
@group(0) @binding(2) var<storage, read> centres: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

// By word, four neighbouring points or centres together; at the end the best score and centre of each invocation.
var<workgroup> tile_x: array<vec4<u32>, 256>;
var<workgroup> tile_c: array<vec4<u32>, 256>;
var<workgroup> digests: array<u32, 64>;

fn letter(which: u32, point: u32, place: u32) -> u32 {
    if point >= POINTS || place >= M {
        return 0xfffeu;
    }
    let column = columns[which * M + place];
    let word = codes[point * ((V + 1u) / 2u) + column / 2u];
    return (word >> (16u * (column % 2u))) & 0xffffu;
}

fn two_letters(which: u32, point: u32, word: u32) -> u32 {
    return letter(which, point, 2u * word) | (letter(which, point, 2u * word + 1u) << 16u);
}

// Past the last place stands what is not looked at.
fn centre(which: u32, j: u32, word: u32) -> u32 {
    let words = (M + 1u) / 2u;
    if j >= K || word >= words {
        return 0xffffffffu;
    }
    let two = centres[(which * K + j) * words + word];
    return select(two, two | 0xffff0000u, 2u * word + 1u >= M);
}

fn key(digest: u32, j: u32) -> u32 {
    if LOWEST == 1u {
        return 0u;
    }
    var h = digest ^ (j * 0x9E3779B9u);
    h = (h ^ (h >> 16u)) * 0x85EBCA6Bu;
    h = (h ^ (h >> 13u)) * 0xC2B2AE35u;
    return h ^ (h >> 16u);
}

// How many of the halves of four points equal those of a centre; a place that is not looked at equals nothing, as no
// letter of a point is 0xffff.
fn shared_halves(a: vec4<u32>, b: u32) -> vec4<i32> {
    let d = a ^ vec4<u32>(b);
    return vec4<i32>((d & vec4<u32>(0xffffu)) == vec4<u32>()) + vec4<i32>((d >> vec4<u32>(16u)) == vec4<u32>());
}

fn sampled_halves(b: u32) -> i32 {
    return i32((b & 0xffffu) != 0xffffu) + i32((b >> 16u) != 0xffffu);
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
    if lane < 64u {
        var h = 0x811C9DC5u;
        for (var u = 0u; u < M; u++) {
            h = (h ^ letter(which, first + lane, u)) * 0x01000193u;
        }
        digests[lane] = h;
    }
    workgroupBarrier();
    let p = lane % 16u;
    let c = lane / 16u;
    let digest = vec4<u32>(digests[4u * p], digests[4u * p + 1u], digests[4u * p + 2u], digests[4u * p + 3u]);
    var best = vec4<i32>(-2147483647);
    var best_key = vec4<u32>(0xffffffffu);
    var at = vec4<u32>();
    for (var top = 0u; top < K; top += 64u) {
        var s0 = vec4<i32>();
        var s1 = vec4<i32>();
        var s2 = vec4<i32>();
        var s3 = vec4<i32>();
        var ones = vec4<i32>();
        for (var q = 0u; q < (M + 1u) / 2u; q += 16u) {
            let t = lane % 16u;
            let four = lane / 16u * 4u;
            tile_x[t * 16u + four / 4u] = vec4<u32>(
                two_letters(which, first + four, q + t),
                two_letters(which, first + four + 1u, q + t),
                two_letters(which, first + four + 2u, q + t),
                two_letters(which, first + four + 3u, q + t),
            );
            tile_c[t * 16u + four / 4u] = vec4<u32>(
                centre(which, top + four, q + t),
                centre(which, top + four + 1u, q + t),
                centre(which, top + four + 2u, q + t),
                centre(which, top + four + 3u, q + t),
            );
            workgroupBarrier();
            for (var i = 0u; i < 16u; i++) {
                let a = tile_x[i * 16u + p];
                let b = tile_c[i * 16u + c];
                s0 += shared_halves(a, b.x);
                s1 += shared_halves(a, b.y);
                s2 += shared_halves(a, b.z);
                s3 += shared_halves(a, b.w);
                if EUCLIDEAN == 1u {
                    ones += vec4<i32>(
                        sampled_halves(b.x), sampled_halves(b.y), sampled_halves(b.z), sampled_halves(b.w)
                    );
                }
            }
            workgroupBarrier();
        }
#unroll i 4
        {
            let j = top + c * 4u + $iu;
            if j < K {
                let score = select(s$i, 2 * s$i - vec4<i32>(ones[$i]), EUCLIDEAN == 1u);
#unroll e 4
                {
                    let k = key(digest[$e], j);
                    if score[$e] > best[$e] || (score[$e] == best[$e] && k < best_key[$e]) {
                        best[$e] = score[$e];
                        best_key[$e] = k;
                        at[$e] = j;
                    }
                }
#end
            }
        }
#end
    }
    tile_x[lane] = bitcast<vec4<u32>>(best);
    tile_c[lane] = at;
    workgroupBarrier();
    let point = first + lane;
    if lane >= 64u || point >= POINTS {
        return;
    }
    // Lane 4 i + e of the first 64 takes point e of column i of the invocations. Keys of different centres differ, unless
    // the lowest number decides.
    let i = lane / 4u;
    let e = lane % 4u;
    var most = bitcast<i32>(tile_x[i][e]);
    var found = tile_c[i][e];
    for (var row = 1u; row < 16u; row++) {
        let score = bitcast<i32>(tile_x[row * 16u + i][e]);
        let j = tile_c[row * 16u + i][e];
        let k = key(digests[lane], j);
        let least = key(digests[lane], found);
        if score > most || (score == most && (k < least || (k == least && j < found))) {
            most = score;
            found = j;
        }
    }
    y[which * POINTS + point] = found;
}
