// Convolution for GPUs, by tiles: output pixels by output channels, summed over taps and input channels.
#import shared/conv
#import shared/window
#import shared/tiles

fn depth(slice: u32) -> u32 {
    return KH * KW * C;
}

fn at_a(slice: u32, row: u32, k: u32) -> u32 {
    let pixel = under_tap(row, k / C);
    return select(pixel * C + k % C, NOWHERE, pixel == NOWHERE);
}

fn at_b(slice: u32, k: u32, column: u32) -> u32 {
    return column * KH * KW * C + k;
}

fn at_c(slice: u32, row: u32, column: u32) -> u32 {
    return row * O + column;
}
