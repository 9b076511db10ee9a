// C[b, m, n] = op(A) op(B) on matrix units.
#if HALF
enable f16;
#end
enable wgpu_cooperative_matrix;
#import linalg/matmul_places
#import shared/matrix_floats

fn line_of_a(slice: u32, row: u32) -> u32 {
    return slice * BATCHED_A * M + row;
}

fn line_of_b(slice: u32, column: u32) -> u32 {
    return slice * BATCHED_B * N + column;
}
