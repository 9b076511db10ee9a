//! How GPUs run convolutions: as products of matrices that are never written, by tiles. None where a
//! kernel with one invocation an element is better, and for grouped convolutions.

use super::conv::{constants, phase_pixels};
use super::tiles::{Quads, Tile, access};
use super::{Lowering, Operand, Target, sum_partials};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;

/// Forward: output pixels by output channels.
pub(super) fn conv2d(g: &Conv2dGeometry, target: &Target) -> Option<Lowering> {
    let (m, n) = (g.n * g.oh * g.ow, g.o);
    let tile = (g.groups == 1).then(|| Tile::choose(target, 1, m, n))??;
    // Four neighbours of a window lie in one pixel only if pixels are whole vectors; then filters are.
    let quads = Quads::Deep.fitting(g.c);
    let defines = access(quads, quads, None, n);
    Some(tile.launch("conv/conv2d_tiles", [1, m, n], defines, constants(g), Operand::Out(0)).into())
}

/// Forward on packed bits.
pub(super) fn xnor_conv2d(g: &Conv2dGeometry, code: WeightCode, target: &Target) -> Option<Lowering> {
    let (m, n) = (g.n * g.oh * g.ow, g.o);
    let defines = vec![("ZERO_ONE", (code == WeightCode::ZeroOne) as u32)];
    let tile = Tile::choose(target, 1, m, n)?;
    Some(tile.launch("conv/xnor_conv2d_tiles", [1, m, n], defines, constants(g), Operand::Out(0)).into())
}

/// Input gradient, from weights that are packed if `bits` are given: input pixels by input channels,
/// a slice for each phase of a strided convolution.
pub(super) fn input_grad(g: &Conv2dGeometry, bits: Option<WeightCode>, target: &Target) -> Option<Lowering> {
    let (slices, m, n) = (g.stride * g.stride, phase_pixels(g), g.c);
    let tile = (g.groups == 1).then(|| Tile::choose(target, slices, m, n))??;
    // Rows of bits are whole words.
    let b = if bits.is_some() { Quads::Flat } else { Quads::Flat.fitting(g.c) };
    let defines = access(Quads::Deep.fitting(g.o), b, bits, n);
    Some(tile.launch("conv/conv2d_input_grad_tiles", [slices, m, n], defines, constants(g), Operand::Out(0)).into())
}

/// Weight gradient, from activations that are packed if `bits` are given: output channels by taps and
/// input channels. The sum over the output pixels is cut into slices, then added up in order.
pub(super) fn weight_grad(g: &Conv2dGeometry, bits: Option<WeightCode>, target: &Target) -> Option<Lowering> {
    let (m, n, pixels) = (g.o, g.kh * g.kw * g.c, g.n * g.oh * g.ow);
    let tile = (g.groups == 1).then(|| Tile::choose(target, target.busy_workgroups, m, n))??;
    // In whole steps of the kernel.
    let chunk = pixels.div_ceil(tile.splits(target, m, n)).next_multiple_of(16);
    let slices = pixels.div_ceil(chunk);
    let constants = [constants(g), vec![("CHUNK", chunk as f64)]].concat();
    let defines = access(Quads::Flat.fitting(g.o), Quads::Flat.fitting(g.c), bits, n);
    let launch = |to| tile.launch("conv/conv2d_weight_grad_tiles", [slices, m, n], defines, constants, to);
    if slices == 1 {
        return Some(launch(Operand::Out(0)).into());
    }
    let sum = sum_partials(slices, m * n, Operand::Temp(0), Operand::Out(0));
    Some(Lowering { temps: vec![slices * m * n], launches: vec![launch(Operand::Temp(0)), sum] })
}
