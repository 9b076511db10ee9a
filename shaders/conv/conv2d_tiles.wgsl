// Convolution for GPUs, by tiles.
#import conv/conv2d_places
#import shared/tiles
