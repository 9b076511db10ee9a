// Where the numbers of a convolution as a product lie: output pixels by output channels, summed over taps and input channels.
#import shared/conv
#import shared/window

fn depth(slice: u32) -> u32 {
    return KH * KW * CI;
}

fn at_a(slice: u32, row: u32, k: u32) -> u32 {
    let pixel = under_tap(row, k / CI);
    return select(pixel * CI + k % CI, NOWHERE, pixel == NOWHERE);
}

fn at_b(slice: u32, k: u32, column: u32) -> u32 {
    return column * KH * KW * CI + k;
}

fn at_c(slice: u32, row: u32, column: u32) -> u32 {
    return row * O + column;
}
