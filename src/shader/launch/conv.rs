//! How convolutions are dispatched.
//!
//! GPUs get the `_tiles` kernels, which share tiles in workgroup memory. Software adapters get the `_lanes`
//! kernels, which keep a register tile an invocation; their sizes must divide the channels. Whatever fits
//! no variant takes the plain kernel, one invocation an element.

use super::{Launch, Lowering, Operand, Target, conv_tiles, fold_groups};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;

type Defines = Vec<(&'static str, u32)>;
type Constants = Vec<(&'static str, f64)>;

pub(super) fn constants(g: &Conv2dGeometry) -> Constants {
    [
        ("NB", g.n),
        ("H", g.h),
        ("W", g.w),
        ("C", g.c),
        ("O", g.o),
        ("KH", g.kh),
        ("KW", g.kw),
        ("STRIDE", g.stride),
        ("PADDING", g.padding),
        ("GROUPS", g.groups),
        ("OH", g.oh),
        ("OW", g.ow),
    ]
    .map(|(name, v)| (name, v as f64))
    .to_vec()
}

/// The largest of `sizes` that divides `n`.
fn dividing(n: usize, sizes: &[usize]) -> Option<usize> {
    sizes.iter().copied().find(|s| n.is_multiple_of(*s))
}

/// Channels of a word that an invocation of a `_lanes` kernel handles: all 32, or all 16 there are.
fn word_bits(c: usize) -> Option<usize> {
    if c.is_multiple_of(32) { Some(32) } else { (c == 16).then_some(16) }
}

fn one(shader: &'static str, defines: Defines, constants: Constants, groups: usize) -> Lowering {
    Lowering {
        temps: vec![],
        launches: vec![Launch {
            shader,
            defines,
            constants,
            workgroups: fold_groups(groups),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
        }],
    }
}

/// Rows of a register tile: fewer where there are few pixels, so that all cores have work.
fn tile_rows(pixels: usize, columns: usize) -> usize {
    match pixels * columns {
        n if n >= 16 * 256 => 16,
        _ => 8,
    }
}

/// Pixels of one phase of the input of a strided convolution (`shaders/shared/phase.wgsl`).
pub(super) fn phase_pixels(g: &Conv2dGeometry) -> usize {
    g.n * g.h.div_ceil(g.stride) * g.w.div_ceil(g.stride)
}

/// Forward.
pub fn conv2d(g: &Conv2dGeometry, target: &Target) -> Lowering {
    if let Some(lowering) = conv_tiles::conv2d(g, target) {
        return lowering;
    }
    let pixels = g.n * g.oh * g.ow;
    if let (true, 1, 0, Some(columns)) = (target.software, g.groups, g.c % 4, dividing(g.o, &[16, 8, 4])) {
        let rows = tile_rows(pixels, g.o / columns);
        let defines = vec![("ROWS", rows as u32), ("COLUMNS", columns as u32)];
        let invocations = pixels.div_ceil(rows) * (g.o / columns);
        return one("conv/conv2d_lanes", defines, constants(g), invocations.div_ceil(32));
    }
    one("conv/conv2d", vec![], constants(g), (pixels * g.o).div_ceil(64))
}

/// Input gradient.
pub fn conv2d_input_grad(g: &Conv2dGeometry, target: &Target) -> Lowering {
    if let Some(lowering) = conv_tiles::input_grad(g, None, target) {
        return lowering;
    }
    if let (true, 1, 0, Some(columns)) = (target.software, g.groups, g.o % 4, dividing(g.c, &[16, 8, 4])) {
        let pixels = phase_pixels(g);
        let rows = tile_rows(pixels, g.c / columns * g.stride * g.stride);
        let defines = vec![("ROWS", rows as u32), ("COLUMNS", columns as u32)];
        let invocations = pixels.div_ceil(rows) * (g.c / columns) * g.stride * g.stride;
        return one("conv/conv2d_input_grad_lanes", defines, constants(g), invocations.div_ceil(32));
    }
    one("conv/conv2d_input_grad", vec![], constants(g), (g.n * g.h * g.w * g.c).div_ceil(64))
}

/// A weight gradient in two stages: partial sums over chunks of `units` (pixels or rows of pixels),
/// `per_chunk` invocations for each, then their sum.
fn in_chunks(
    shader: &'static str,
    g: &Conv2dGeometry,
    defines: Defines,
    units: usize,
    per_chunk: usize,
    wanted: usize,
    group: usize,
) -> Lowering {
    let weights = g.o * g.kh * g.kw * g.c / g.groups;
    let chunk = units.div_ceil((wanted / per_chunk).clamp(1, units.min(256)));
    let chunks = units.div_ceil(chunk);
    let extra = vec![("CHUNK", chunk as f64), ("CHUNKS", chunks as f64)];
    Lowering {
        temps: vec![chunks * weights],
        launches: vec![
            Launch {
                shader,
                defines,
                constants: [constants(g), extra].concat(),
                workgroups: fold_groups((chunks * per_chunk).div_ceil(group)),
                operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(0)],
            },
            super::sum_partials(chunks, weights, Operand::Temp(0), Operand::Out(0)),
        ],
    }
}

/// Invocations that keep a software adapter's cores busy.
const SOFTWARE_INVOCATIONS: usize = 1024;
/// Invocations that fill a GPU.
const GPU_INVOCATIONS: usize = 16384;

/// Weight gradient.
pub fn conv2d_weight_grad(g: &Conv2dGeometry, target: &Target) -> Lowering {
    if let Some(lowering) = conv_tiles::weight_grad(g, None, target) {
        return lowering;
    }
    let tile = dividing(g.o, &[16, 8, 4]).zip(dividing(g.c, &[16, 8, 4]));
    if let (true, 1, Some((rows, columns))) = (target.software, g.groups, tile) {
        let defines = vec![("ROWS", rows as u32), ("COLUMNS", columns as u32)];
        let per_chunk = g.o / rows * (g.c / columns) * g.kh * g.kw;
        let shader = "conv/conv2d_weight_grad_lanes";
        return in_chunks(shader, g, defines, g.n * g.oh, per_chunk, SOFTWARE_INVOCATIONS, 32);
    }
    let weights = g.o * g.kh * g.kw * g.c / g.groups;
    in_chunks("conv/conv2d_weight_grad", g, vec![], g.n * g.oh * g.ow, weights, GPU_INVOCATIONS, 64)
}

fn zero_one(code: WeightCode) -> u32 {
    (code == WeightCode::ZeroOne) as u32
}

/// Forward on packed bits.
pub fn xnor_conv2d(g: &Conv2dGeometry, code: WeightCode, target: &Target) -> Lowering {
    if let Some(lowering) = conv_tiles::xnor_conv2d(g, code, target) {
        return lowering;
    }
    let pixels = g.n * g.oh * g.ow;
    if let (true, Some(columns)) = (target.software, dividing(g.o, &[16, 8, 4, 2])) {
        let rows = tile_rows(pixels, g.o / columns).min(8);
        let defines = vec![("ROWS", rows as u32), ("COLUMNS", columns as u32), ("ZERO_ONE", zero_one(code))];
        let invocations = pixels.div_ceil(rows) * (g.o / columns);
        return one("conv/xnor_conv2d_lanes", defines, constants(g), invocations.div_ceil(32));
    }
    let constants = [constants(g), vec![("ZERO_ONE", zero_one(code) as f64)]].concat();
    one("conv/xnor_conv2d", vec![], constants, (pixels * g.o.div_ceil(2)).div_ceil(64))
}

/// Input gradient from packed weights.
pub fn xnor_conv2d_input_grad(g: &Conv2dGeometry, code: WeightCode, target: &Target) -> Lowering {
    if let Some(lowering) = conv_tiles::input_grad(g, Some(code), target) {
        return lowering;
    }
    if let (true, 0, Some(bits)) = (target.software, g.o % 4, word_bits(g.c)) {
        let rows = 256 / bits;
        let pixels = phase_pixels(g);
        let defines = vec![("ROWS", rows as u32), ("BITS", bits as u32), ("ZERO_ONE", zero_one(code))];
        let invocations = pixels.div_ceil(rows) * (g.c / bits) * g.stride * g.stride;
        return one("conv/xnor_conv2d_input_grad_lanes", defines, constants(g), invocations.div_ceil(32));
    }
    let constants = [constants(g), vec![("ZERO_ONE", zero_one(code) as f64)]].concat();
    one("conv/xnor_conv2d_input_grad", vec![], constants, (g.n * g.h * g.w * g.c).div_ceil(64))
}

/// Weight gradient from packed activations.
pub fn xnor_conv2d_weight_grad(g: &Conv2dGeometry, target: &Target) -> Lowering {
    if let Some(lowering) = conv_tiles::weight_grad(g, Some(WeightCode::PlusMinus), target) {
        return lowering;
    }
    if let (true, Some(bits), Some(rows)) = (target.software, word_bits(g.c), dividing(g.o, &[16, 8, 4])) {
        let rows = rows.min(256 / bits);
        let defines = vec![("ROWS", rows as u32), ("BITS", bits as u32)];
        let per_chunk = g.o / rows * (g.c / bits) * g.kh * g.kw;
        let shader = "conv/xnor_conv2d_weight_grad_lanes";
        return in_chunks(shader, g, defines, g.n * g.oh, per_chunk, SOFTWARE_INVOCATIONS, 32);
    }
    let weights = g.o * g.kh * g.kw * g.c;
    in_chunks("conv/xnor_conv2d_weight_grad", g, vec![], g.n * g.oh * g.ow, weights, GPU_INVOCATIONS, 64)
}
