// Extents of a convolution. Input NHWC [NB, H, W, C], weights OHWI [O, KH, KW, C / GROUPS], output
// NHWC [NB, OH, OW, O]. C has the name CI in the text, where C is a role of cooperative matrices.
override NB: u32;
override H: u32;
override W: u32;
override CI: u32;
override O: u32;
override KH: u32;
override KW: u32;
override STRIDE: u32;
override PADDING: u32;
override DILATION: u32;
override GROUPS: u32;
override OH: u32;
override OW: u32;
