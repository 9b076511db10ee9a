// Partial dw from dy and x, which is float or packed, for GPUs, by tiles.
#import conv/conv2d_weight_grad_places
#import shared/tiles
