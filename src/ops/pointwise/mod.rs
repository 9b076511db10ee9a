//! Ops that work element by element, with NumPy broadcasting. Chains of them become one kernel.

#[macro_use]
mod define;

mod activation;
mod arithmetic;
mod broadcast_to;
mod cast;
mod compare;
mod elementary;
mod latent;
mod scale_shift;
mod sign;
mod smooth;
mod split;

pub use sign::Ste;

use crate::error::{Error, Result};
use crate::graph::{Grads, Graph, LowerCx, Meta, Op, Pointwise, Value};
use crate::launch::Lowering;
use crate::tensor::{RefTensor, Shape};

impl<P: Pointwise> Op for P {
    fn name(&self) -> &'static str {
        Pointwise::name(self)
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let mut shape = self.shape().cloned().unwrap_or_default();
        for m in inputs {
            shape = Shape::broadcast(&shape, &m.shape).ok_or_else(|| {
                let all: Vec<String> = inputs.iter().map(|m| m.shape.to_string()).collect();
                Error::shape(Pointwise::name(self), format!("shapes {} do not broadcast", all.join(" and ")))
            })?;
        }
        Ok((0..self.ports()).map(|p| Meta::new(shape.clone(), Pointwise::dtype(self, p))).collect())
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let dx = Pointwise::grad(self, g, x, y, dy)?;
        x.iter()
            .zip(dx)
            .map(|(&x, d)| {
                let shape = g.shape(x).clone();
                d.map(|d| g.sum_to(d, shape)).transpose()
            })
            .collect()
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let shape = &outputs[0].shape;
        let places: Vec<Vec<usize>> = inputs.iter().map(|t| broadcast_offsets(&t.shape, shape)).collect();
        (0..self.ports())
            .map(|port| {
                let dtype = Pointwise::dtype(self, port);
                let data = (0..shape.elements())
                    .map(|i| {
                        let x: Vec<f64> = inputs.iter().zip(&places).map(|(t, at)| t.data[at[i]]).collect();
                        let y = self.eval64(port, i, &x);
                        if dtype == crate::tensor::DType::Bits { (y > 0.5) as u8 as f64 } else { y }
                    })
                    .collect();
                RefTensor::new(shape.clone(), dtype, data)
            })
            .collect()
    }

    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let shape = &outputs[0].shape;
        let places: Vec<Vec<usize>> = inputs.iter().map(|t| broadcast_offsets(&t.shape, shape)).collect();
        (0..self.ports())
            .map(|port| {
                (0..shape.elements())
                    .map(|i| {
                        if Pointwise::dtype(self, port) == crate::tensor::DType::Bits {
                            return 0.0;
                        }
                        let x: Vec<f64> = inputs.iter().zip(&places).map(|(t, at)| t.data[at[i]]).collect();
                        Pointwise::bound(self, port, &x, outputs[port].data[i])
                    })
                    .collect()
            })
            .collect()
    }

    fn lower(&self, _cx: &LowerCx<'_>) -> Result<Lowering> {
        unreachable!("pointwise ops are lowered by fusion")
    }

    fn pointwise(&self) -> Option<&dyn Pointwise> {
        Some(self)
    }
}

/// For each element of `to`, in order, the offset of the element of a `from` that is broadcast to it.
pub fn broadcast_offsets(from: &Shape, to: &Shape) -> Vec<usize> {
    let strides = from.broadcast_strides(to);
    let mut offsets = vec![0usize];
    for (extent, stride) in to.iter().zip(strides) {
        offsets = offsets.iter().flat_map(|o| (0..*extent).map(move |i| o + i * stride)).collect();
    }
    offsets
}
