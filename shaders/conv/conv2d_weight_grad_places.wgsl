// Where the numbers of a weight gradient as a product lie: output channels by taps and input channels, summed over output
// pixels. A slice is a chunk of these; `sum_partials` adds the slices in order.
#import shared/conv
#import shared/window
override CHUNK: u32;

fn depth(slice: u32) -> u32 {
    return min(CHUNK, NB * OH * OW - slice * CHUNK);
}

fn at_a(slice: u32, row: u32, k: u32) -> u32 {
    return (slice * CHUNK + k) * O + row;
}

fn at_b(slice: u32, k: u32, column: u32) -> u32 {
    let pixel = under_tap(slice * CHUNK + k, column / CI);
    return select(pixel * pitch_b(CI) + column % CI, NOWHERE, pixel == NOWHERE);
}

fn at_c(slice: u32, row: u32, column: u32) -> u32 {
    return (slice * O + row) * KH * KW * CI + column;
}
