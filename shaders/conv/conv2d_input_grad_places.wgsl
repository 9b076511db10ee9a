// Where the numbers of an input gradient as a product lie: input pixels by input channels, summed over taps and output
// channels. A slice is a phase: its pixels are reached by the same taps, so that no tap is tried in vain.
#import shared/conv
#import shared/phase

// The first tap that reaches the phase along one axis, and how many do, STRIDE apart.
fn first_tap(phase: u32) -> u32 {
    return (phase + PADDING) % STRIDE;
}

fn taps(phase: u32, extent: u32) -> u32 {
    return (extent + STRIDE - 1u - first_tap(phase)) / STRIDE;
}

// Row and column of the tap of term k.
fn tap_of(slice: u32, k: u32) -> vec2<u32> {
    let columns = taps(slice % STRIDE, KW);
    let first = vec2<u32>(first_tap(slice / STRIDE), first_tap(slice % STRIDE));
    return first + STRIDE * vec2<u32>(k / O / columns, k / O % columns);
}

// Image, row and column of an input pixel.
fn pixel_of(slice: u32, row: u32) -> vec3<u32> {
    let line = row / phase_columns();
    return vec3<u32>(
        line / phase_rows(),
        line % phase_rows() * STRIDE + slice / STRIDE,
        row % phase_columns() * STRIDE + slice % STRIDE,
    );
}

fn depth(slice: u32) -> u32 {
    return taps(slice / STRIDE, KH) * taps(slice % STRIDE, KW) * O;
}

fn at_a(slice: u32, row: u32, k: u32) -> u32 {
    let p = pixel_of(slice, row);
    let padded = p.yz + PADDING;
    let tap = tap_of(slice, k);
    let reach = tap * DILATION;
    let y = (padded - reach) / STRIDE;
    if any(padded < reach) || y.x >= OH || y.y >= OW {
        return NOWHERE;
    }
    return ((p.x * OH + y.x) * OW + y.y) * O + k % O;
}

fn at_b(slice: u32, k: u32, column: u32) -> u32 {
    let tap = tap_of(slice, k);
    return ((k % O * KH + tap.x) * KW + tap.y) * pitch_b(CI) + column;
}

fn at_c(slice: u32, row: u32, column: u32) -> u32 {
    let p = pixel_of(slice, row);
    return select(NOWHERE, ((p.x * H + p.y) * W + p.z) * CI + column, p.y < H && p.z < W);
}
