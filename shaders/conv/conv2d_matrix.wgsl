// Convolution on matrix units. Lines are images and filters.
#if HALF
enable f16;
#end
enable wgpu_cooperative_matrix;
#import conv/conv2d_places
#import shared/matrix_floats

fn line_of_a(slice: u32, row: u32) -> u32 {
    return row / OW / OH;
}

fn line_of_b(slice: u32, column: u32) -> u32 {
    return column;
}
