//! Two sums by channel in one pass: `Σ dy` and `Σ dy f(x)`. They are what the gradients of batch
//! normalisation and of a PReLU's slope need of their large operands.

use super::{CHUNK, GROUP, cpu, longest_sum, stages};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::other_count;
use crate::tensor::{DType, RefTensor};

/// What dy is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// `x - centre`, the centre `[C]` being the third input: for batch normalisation.
    Centred,
    /// `min(x, 0)`: for the slope of a PReLU.
    Negative,
}

/// `dy [.., C]`, `x [.., C]` (f32 or i16), for [`Factor::Centred`] also `centre [C]` ->
/// `Σ dy [C]`, `Σ dy f(x) [C]`. Two stages in a fixed order.
#[derive(Clone, Debug)]
pub struct ChannelSums {
    /// f.
    pub factor: Factor,
}

impl ChannelSums {
    fn f(&self, x: f64, centre: f64) -> f64 {
        match self.factor {
            Factor::Centred => x - centre,
            Factor::Negative => x.min(0.0),
        }
    }

    /// Sums of both kinds, of the magnitudes if `abs`.
    fn sums(&self, inputs: &[&RefTensor], abs: bool) -> (Vec<f64>, Vec<f64>) {
        let columns = inputs[0].shape.columns();
        let (mut a, mut b) = (vec![0.0; columns], vec![0.0; columns]);
        for (i, (&dy, &x)) in inputs[0].data.iter().zip(&inputs[1].data).enumerate() {
            let c = i % columns;
            let product = dy * self.f(x, inputs.get(2).map_or(0.0, |m| m.data[c]));
            a[c] += if abs { dy.abs() } else { dy };
            b[c] += if abs { product.abs() } else { product };
        }
        (a, b)
    }
}

impl Op for ChannelSums {
    fn name(&self) -> &'static str {
        match self.factor {
            Factor::Centred => "batch_norm_grad_sums",
            Factor::Negative => "prelu_grad_sums",
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let wanted = 2 + (self.factor == Factor::Centred) as usize;
        if inputs.len() != wanted {
            return Err(other_count(self.name(), wanted, inputs.len()));
        }
        let (dy, x) = (&inputs[0], &inputs[1]);
        let c = dy.shape.columns();
        let fits = dy.dtype == DType::F32
            && matches!(x.dtype, DType::F32 | DType::I16)
            && dy.shape == x.shape
            && !dy.shape.is_empty()
            && inputs.get(2).is_none_or(|m| *m == Meta::f32([c]));
        if !fits {
            let all: Vec<String> = inputs.iter().map(Meta::to_string).collect();
            return Err(Error::shape(self.name(), format!("inputs {} do not fit", all.join(", "))));
        }
        Ok(vec![Meta::f32([c]), Meta::f32([c])])
    }

    /// Linear in dy; the gradient with respect to x is left out where f is not differentiated again.
    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], d: &[Option<Value>]) -> Result<Grads> {
        let (dy, x, centre) = (x[0], x[1], x.get(2).copied());
        let zero = g.fill([], 0.0);
        let f = match centre {
            Some(m) => g.sub(x, m)?,
            None => g.minimum(x, zero)?,
        };
        let shape = g.shape(x).clone();
        let mut of_dy = match d[0] {
            Some(d0) => Some(g.broadcast_to(d0, shape)?),
            None => None,
        };
        let mut grads = vec![None, None];
        grads.extend(centre.map(|_| None));
        if let Some(d1) = d[1] {
            let part = g.mul(f, d1)?;
            of_dy = Some(match of_dy {
                Some(o) => g.add(o, part)?,
                None => part,
            });
            let weighted = g.mul(dy, d1)?;
            grads[1] = Some(match centre {
                Some(m) => {
                    let shape = g.shape(m).clone();
                    let sum = g.sum_to(weighted, shape)?;
                    grads[2] = Some(g.scale(sum, -1.0)?);
                    weighted
                }
                None => {
                    let negative = g.greater(zero, x)?;
                    g.mul(weighted, negative)?
                }
            });
        }
        grads[0] = of_dy;
        Ok(grads)
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (a, b) = self.sums(inputs, false);
        let of = |data| RefTensor::new(outputs[0].shape.clone(), DType::F32, data);
        vec![of(a), of(b)]
    }

    /// L additions in a row, and for the second sum the rounding of x - centre and of the product.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let l = longest_sum(inputs[0].shape.rows());
        let (a, b) = self.sums(inputs, true);
        let of = |sums: Vec<f64>, n: f64| sums.into_iter().map(|s| n * EPS * s + f32::MIN_POSITIVE as f64).collect();
        vec![of(a, l), of(b, l + 3.0)]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let isa = io.isa();
        let columns = io.meta(0).shape.columns();
        let dy = io.f32(0);
        let centre = if self.factor == Factor::Centred { io.f32(2) } else { &[] };
        match io.meta(1).dtype {
            DType::I16 => {
                let x: &[i16] = bytemuck::cast_slice(io.words(1));
                let (a, b) = io.out2();
                cpu::channel_sums(isa, self.factor, dy, x, columns, columns.next_multiple_of(2), centre, a, b);
            }
            _ => {
                let x = io.f32(1);
                let (a, b) = io.out2();
                cpu::channel_sums(isa, self.factor, dy, x, columns, columns, centre, a, b);
            }
        }
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let x = &cx.inputs[1];
        let (rows, columns) = (x.shape.rows(), x.shape.columns());
        let left = stages(rows);
        let (shader, mut operands) = match self.factor {
            Factor::Centred => ("norm/sums_centred", vec![Operand::In(0), Operand::In(1), Operand::In(2)]),
            Factor::Negative => ("norm/sums_negative", vec![Operand::In(0), Operand::In(1)]),
        };
        operands.push(Operand::Temp(0));
        let mut launches = vec![Launch::each(
            left[0] * columns,
            shader,
            vec![
                ("ROWS", rows as f64),
                ("COLUMNS", columns as f64),
                ("CHUNK", CHUNK as f64),
                ("CHUNKS", left[0] as f64),
                ("HALVES", (x.dtype == DType::I16) as u8 as f64),
            ],
            operands,
        )];
        for (i, &parts) in left.iter().enumerate() {
            let last = i + 1 == left.len();
            let constants = vec![("COLUMNS", columns as f64), ("PARTS", parts as f64)];
            launches.push(if last {
                Launch::each(
                    columns,
                    "norm/sums_final",
                    constants,
                    vec![Operand::Temp(i), Operand::Out(0), Operand::Out(1)],
                )
            } else {
                let groups = left[i + 1];
                Launch::each(
                    2 * groups * columns,
                    "norm/sums_fold",
                    [constants, vec![("GROUP", GROUP as f64), ("GROUPS", groups as f64)]].concat(),
                    vec![Operand::Temp(i), Operand::Temp(i + 1)],
                )
            });
        }
        Ok(Lowering { temps: left.iter().map(|n| 2 * n * columns).collect(), launches })
    }
}
