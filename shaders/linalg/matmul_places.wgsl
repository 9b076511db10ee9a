// Where the numbers of op(A) op(B) lie, for kernels by tiles; a slice is a batch. TA and TB tell what is stored transposed.
override K: u32;
override BATCHED_A: u32;
override BATCHED_B: u32;

fn depth(slice: u32) -> u32 {
    return K;
}

fn at_a(slice: u32, row: u32, k: u32) -> u32 {
#if TA
    return (slice * BATCHED_A * K + k) * M + row;
#else
    return (slice * BATCHED_A * M + row) * K + k;
#end
}

fn at_b(slice: u32, k: u32, column: u32) -> u32 {
#if TB
    return (slice * BATCHED_B * N + column) * K + k;
#else
    return (slice * BATCHED_B * K + k) * N + column;
#end
}

fn at_c(slice: u32, row: u32, column: u32) -> u32 {
    return (slice * M + row) * N + column;
}
