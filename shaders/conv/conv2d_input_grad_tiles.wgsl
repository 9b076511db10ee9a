// dx from dy and w, which is float or packed, for GPUs, by tiles.
#import conv/conv2d_input_grad_places
#import shared/tiles
