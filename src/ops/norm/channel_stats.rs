//! Mean and biased variance of every channel, over all other axes.
//!
//! Two stages in a fixed order. First, chunks of rows: sums of `d = x - s` and `d²`, where the shift s
//! is the chunk's first row, so that a mean far from 0 does not cancel. Then chunks are combined by
//! Chan, Golub and LeVeque's formula (1979): `M2 = Σ M2_i + n_i (mean_i - mean)²`.

use super::{CHUNK, GROUP, cpu, longest_sum, stages};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor};

/// `[.., C]` f32 or i16 -> mean `[C]`, variance `[C]` (divided by the number of rows).
#[derive(Clone, Debug)]
pub struct ChannelStats;

impl Op for ChannelStats {
    fn name(&self) -> &'static str {
        "channel_stats"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("channel_stats", inputs)?;
        if !matches!(x.dtype, DType::F32 | DType::I16) || x.shape.is_empty() || x.shape.elements() == 0 {
            return Err(Error::shape("channel_stats", format!("takes f32 or i16 [.., C], got {x}")));
        }
        let c = x.shape.columns();
        Ok(vec![Meta::f32([c]), Meta::f32([c])])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let n = g.shape(x[0]).rows() as f32;
        let shape = g.shape(x[0]).clone();
        let of_mean = dy[0].map(|d| g.scale(d, 1.0 / n)).transpose()?;
        let of_var = match dy[1] {
            Some(d) => {
                let centred = g.sub(x[0], y[0])?;
                let d = g.scale(d, 2.0 / n)?;
                Some(g.mul(centred, d)?)
            }
            None => None,
        };
        Ok(vec![match (of_mean, of_var) {
            (Some(a), Some(b)) => Some(g.add(b, a)?),
            (Some(a), None) => Some(g.broadcast_to(a, shape)?),
            (None, b) => b,
        }])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let (rows, columns) = (x.shape.rows(), x.shape.columns());
        let column = |c: usize| x.data.iter().skip(c).step_by(columns);
        let mean: Vec<f64> = (0..columns).map(|c| column(c).sum::<f64>() / rows as f64).collect();
        let var = (0..columns).map(|c| column(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / rows as f64).collect();
        vec![
            RefTensor::new(outputs[0].shape.clone(), DType::F32, mean),
            RefTensor::new(outputs[1].shape.clone(), DType::F32, var),
        ]
    }

    /// With D the largest |x - mean| of the channel, every |d| is at most 2D. L additions in a row and
    /// the roundings of d leave (L + 2) EPS 2D in a mean, which is itself rounded. The sum of d²
    /// per row is at most 2 (var + D²), its error (2L + 8) EPS of that, twice for what the shift cancels;
    /// combining adds the squared difference of chunk means, each rounded by EPS |mean|.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let x = inputs[0];
        let columns = x.shape.columns();
        let l = longest_sum(x.shape.rows());
        let (mean, var) = (&outputs[0].data, &outputs[1].data);
        let (of_mean, of_var) = (0..columns)
            .map(|c| {
                let d = x.data.iter().skip(c).step_by(columns).map(|v| (v - mean[c]).abs()).fold(0.0, f64::max);
                let m = mean[c].abs();
                let of_mean = (l + 2.0) * EPS * 2.0 * d + 4.0 * EPS * m;
                let of_var =
                    (2.0 * l + 16.0) * EPS * 4.0 * (var[c] + d * d) + 8.0 * EPS * m * d + (4.0 * EPS * m).powi(2);
                (of_mean + f32::MIN_POSITIVE as f64, of_var + f32::MIN_POSITIVE as f64)
            })
            .unzip();
        vec![of_mean, of_var]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let isa = io.isa();
        let columns = io.meta(0).shape.columns();
        let rows = io.meta(0).shape.rows();
        match io.meta(0).dtype {
            DType::I16 => {
                let x: &[i16] = bytemuck::cast_slice(io.words(0));
                let (mean, var) = io.out2();
                cpu::channel_stats(isa, x, rows, columns, columns.next_multiple_of(2), mean, var);
            }
            _ => {
                let x = io.f32(0);
                let (mean, var) = io.out2();
                cpu::channel_stats(isa, x, rows, columns, columns, mean, var);
            }
        }
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let x = &cx.inputs[0];
        let (rows, columns) = (x.shape.rows(), x.shape.columns());
        let left = stages(rows);
        let temps = left.iter().flat_map(|n| [n * columns; 2]).collect();
        let mut launches = vec![Launch::each(
            left[0] * columns,
            "norm/channel_stats",
            vec![
                ("ROWS", rows as f64),
                ("COLUMNS", columns as f64),
                ("CHUNK", CHUNK as f64),
                ("CHUNKS", left[0] as f64),
                ("HALVES", (x.dtype == DType::I16) as u8 as f64),
            ],
            vec![Operand::In(0), Operand::Temp(0), Operand::Temp(1)],
        )];
        let mut span = CHUNK;
        for (i, &parts) in left.iter().enumerate() {
            let last = i + 1 == left.len();
            let groups = if last { 1 } else { left[i + 1] };
            let to = |k: usize| if last { Operand::Out(k) } else { Operand::Temp(2 * i + 2 + k) };
            launches.push(Launch::each(
                groups * columns,
                "norm/channel_stats_combine",
                vec![
                    ("ROWS", rows as f64),
                    ("COLUMNS", columns as f64),
                    ("SPAN", span as f64),
                    ("PARTS", parts as f64),
                    ("GROUP", GROUP as f64),
                    ("GROUPS", groups as f64),
                    ("FINAL", last as u8 as f64),
                ],
                vec![Operand::Temp(2 * i), Operand::Temp(2 * i + 1), to(0), to(1)],
            ));
            span *= GROUP;
        }
        Ok(Lowering { temps, launches })
    }
}

impl Graph {
    /// Mean and biased variance of every channel (last axis) of an f32 or i16 tensor.
    pub fn channel_stats(&mut self, x: Value) -> Result<(Value, Value)> {
        let y = self.apply(ChannelStats, &[x])?;
        Ok((y[0], y[1]))
    }
}
