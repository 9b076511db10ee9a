// The input pixel under a tap of an output pixel's window; NOWHERE on padding.
#import shared/nowhere

fn under_tap(pixel: u32, tap: u32) -> u32 {
    // Unsigned differences below zero are large: outside.
    let iy = pixel / OW % OH * STRIDE + tap / KW * DILATION - PADDING;
    let ix = pixel % OW * STRIDE + tap % KW * DILATION - PADDING;
    if iy >= H || ix >= W {
        return NOWHERE;
    }
    return (pixel / OW / OH * H + iy) * W + ix;
}
