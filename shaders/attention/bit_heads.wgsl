// Attention of bits: queries, keys and values [image, token, head, D] as bits, then the level and the exponentials by the number
// of places in which a query and a key differ more than the nearest key, then, for gradients, the slopes [image, token, head, D];
// all in one buffer. A pair is an image and a head.
override PAIRS: u32;
override HEADS: u32;
override D: u32;
override TOKENS: u32;
override SCALE: f32;

@group(0) @binding(0) var<storage, read> packed: array<u32>;

fn row_of(token: u32, pair: u32) -> u32 {
    return (pair / HEADS * TOKENS + token) * HEADS + pair % HEADS;
}

// Queries are 0, keys 1, values 2.
fn word(which: u32, row: u32, w: u32) -> u32 {
    return packed[(which * PAIRS * TOKENS + row) * (D / 32u) + w];
}

fn number(i: u32) -> f32 {
    return bitcast<f32>(packed[3u * PAIRS * TOKENS * (D / 32u) + i]);
}

fn level() -> f32 {
    return max(number(0u), 1e-5);
}

fn slope(i: u32) -> f32 {
    return number(D + 2u + i);
}

fn differing(query: u32, key: u32) -> u32 {
    var sum = 0u;
    for (var w = 0u; w < D / 32u; w++) {
        sum += countOneBits(word(0u, query, w) ^ word(1u, key, w));
    }
    return sum;
}

// Of keys that differ in so many places more than the nearest.
fn exponential(more: u32) -> f32 {
    return number(1u + more);
}

// +1 or -1.
fn sign_at(which: u32, row: u32, c: u32) -> f32 {
    return f32(2u * ((word(which, row, c / 32u) >> (c % 32u)) & 1u)) - 1.0;
}
