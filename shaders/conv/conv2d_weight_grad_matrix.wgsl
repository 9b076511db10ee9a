// Partial dw from dy and x, which is float or packed, on matrix units. Lines are output and input channels.
#if HALF
enable f16;
#end
enable wgpu_cooperative_matrix;
#import conv/conv2d_weight_grad_places
#import shared/matrix_floats

fn line_of_a(slice: u32, row: u32) -> u32 {
    return row;
}

fn line_of_b(slice: u32, column: u32) -> u32 {
    return column % CI;
}
