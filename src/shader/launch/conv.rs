//! How convolutions are dispatched.

use super::{Launch, Lowering, Operand, Target, fold_groups};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;

fn constants(g: &Conv2dGeometry) -> Vec<(&'static str, f64)> {
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

fn one(shader: &'static str, constants: Vec<(&'static str, f64)>, invocations: usize) -> Lowering {
    Lowering {
        temps: vec![],
        launches: vec![Launch {
            shader,
            defines: vec![],
            constants,
            workgroups: fold_groups(invocations.div_ceil(64)),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
        }],
    }
}

fn code(c: WeightCode) -> (&'static str, f64) {
    ("ZERO_ONE", (c == WeightCode::ZeroOne) as u8 as f64)
}

/// Forward.
pub fn conv2d(g: &Conv2dGeometry, _target: &Target) -> Lowering {
    one("conv/conv2d", constants(g), g.n * g.oh * g.ow * g.o)
}

/// Input gradient.
pub fn conv2d_input_grad(g: &Conv2dGeometry, _target: &Target) -> Lowering {
    one("conv/conv2d_input_grad", constants(g), g.n * g.h * g.w * g.c)
}

/// Weight gradient: partial sums over chunks of pixels, then their sum.
fn weight_grad(shader: &'static str, g: &Conv2dGeometry) -> Lowering {
    let weights = g.o * g.kh * g.kw * g.c / g.groups;
    let pixels = g.n * g.oh * g.ow;
    let chunks = (16384 / weights).clamp(1, pixels.div_ceil(64)).min(64);
    let chunk = pixels.div_ceil(chunks);
    let chunks = pixels.div_ceil(chunk);
    let extra = [("CHUNK", chunk as f64), ("CHUNKS", chunks as f64)];
    Lowering {
        temps: vec![chunks * weights],
        launches: vec![
            Launch {
                shader,
                defines: vec![],
                constants: [constants(g), extra.to_vec()].concat(),
                workgroups: fold_groups((chunks * weights).div_ceil(64)),
                operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(0)],
            },
            super::sum_partials(chunks, weights, Operand::Temp(0), Operand::Out(0)),
        ],
    }
}

/// Weight gradient.
pub fn conv2d_weight_grad(g: &Conv2dGeometry, _target: &Target) -> Lowering {
    weight_grad("conv/conv2d_weight_grad", g)
}

/// Forward on packed bits.
pub fn xnor_conv2d(g: &Conv2dGeometry, c: WeightCode, _target: &Target) -> Lowering {
    let constants = [constants(g), vec![code(c)]].concat();
    one("conv/xnor_conv2d", constants, g.n * g.oh * g.ow * g.o.div_ceil(2))
}

/// Input gradient from packed weights.
pub fn xnor_conv2d_input_grad(g: &Conv2dGeometry, c: WeightCode, _target: &Target) -> Lowering {
    let constants = [constants(g), vec![code(c)]].concat();
    one("conv/xnor_conv2d_input_grad", constants, g.n * g.h * g.w * g.c)
}

/// Weight gradient from packed activations.
pub fn xnor_conv2d_weight_grad(g: &Conv2dGeometry, _target: &Target) -> Lowering {
    weight_grad("conv/xnor_conv2d_weight_grad", g)
}
