// Input pixels by phase: those that the same taps of a strided convolution reach. Pixel k of phase
// (py, px) is row py + STRIDE * i and column px + STRIDE * j of an image; it lies outside where H or W
// is no multiple of STRIDE. The taps of a phase are STRIDE apart where DILATION is 1, and all of them where STRIDE is.
fn phase_rows() -> u32 {
    return (H + STRIDE - 1u) / STRIDE;
}

fn phase_columns() -> u32 {
    return (W + STRIDE - 1u) / STRIDE;
}
