// Where the numbers of a head lie: tensors are [image, token, head, D], what a query has one of is [image, query, head]. A
// pair is an image and a head.
override PAIRS: u32;
override HEADS: u32;
override D: u32;
override QUERIES: u32;
override KEYS: u32;
// Of queries, before the product with keys.
override SCALE: f32;

// Numbers of a row in workgroup memory: odd, so that rows begin in different banks.
const ROW: u32 = 65u;
// Below every score.
const FAR: f32 = -3.4e38;

fn row_of(token: u32, tokens: u32, pair: u32) -> u32 {
    return (pair / HEADS * tokens + token) * HEADS + pair % HEADS;
}

fn begin_of(token: u32, tokens: u32, pair: u32) -> u32 {
    return row_of(token, tokens, pair) * D;
}
