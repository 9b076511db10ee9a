// C[b, m, n] = op(A) op(B) for GPUs, by tiles.
#import linalg/matmul_places
#import shared/tiles
