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
mod wave;

pub use sign::{Estimator, Sign, Ste};

use crate::error::{Error, Result};
use crate::graph::{GradientOf, Grads, Graph, LowerCx, Meta, Op, Pointwise, Value};
use crate::launch::Lowering;
use crate::ops::inputs::{finite, other_count};
use crate::tensor::bits::WeightCode;
use crate::tensor::{RefTensor, Shape};

impl<P: Pointwise> Op for P {
    fn name(&self) -> &'static str {
        Pointwise::name(self)
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let name = Pointwise::name(self);
        if inputs.len() != self.arity() {
            return Err(other_count(name, self.arity(), inputs.len()));
        }
        finite(name, self.constants().into_iter().map(f64::from))?;
        let mut shape = self.shape().cloned().unwrap_or_default();
        for m in inputs {
            shape = Shape::broadcast(&shape, &m.shape).ok_or_else(|| {
                let all: Vec<String> = inputs.iter().map(|m| m.shape.to_string()).collect();
                Error::shape(name, format!("shapes {} do not broadcast", all.join(" and ")))
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

    fn gradient_of(&self) -> GradientOf {
        Pointwise::gradient_of(self)
    }

    fn bits_are(&self, input: usize) -> WeightCode {
        Pointwise::bits_are(self, input)
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

    fn shaders(&self) -> Vec<(String, String)> {
        let file = |port| Some((format!("pointwise/{}", self.wgsl(port)), self.wgsl_text(port)?));
        (0..self.ports()).filter_map(file).collect()
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

#[cfg(test)]
mod tests {
    use crate::device::{Device, Store};
    use crate::error::Result;
    use crate::graph::{Graph, Meta, Value};
    use crate::ops::rows::{Extent, RowOp, Rows};
    use crate::tensor::HostTensor;
    use crate::verify::compare;

    pointwise! {
        /// Twice x, but for a mistake in what the CPU runs.
        Mistaken {} "scale" (x) => x * 2.0 + if x > 7.0 { 1e-5 } else { 0.0 };
        reference 2.0 * x;
        grad |_me, g, x, y, dy| Ok(vec![None])
    }

    /// The first number of each row, but for a mistake in what the CPU runs.
    #[derive(Debug)]
    struct MistakenRow;

    impl RowOp for MistakenRow {
        const INPUTS: &'static [Extent] = &[Extent::Row];
        const OUTPUTS: &'static [Extent] = &[Extent::One];

        fn name(&self) -> &'static str {
            "first"
        }

        fn shader(&self) -> &'static str {
            "softmax/softmax"
        }

        fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
            y[0][0] = if x[0][0] == 8.0 { 8.5 } else { x[0][0] };
        }

        fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
            y[0][0] = x[0][0];
        }

        fn bound(&self, _x: &[&[f64]], _y: &[&[f64]]) -> Vec<Vec<f64>> {
            vec![vec![0.0]]
        }

        fn grad(
            &self,
            _g: &mut Graph,
            _x: &[Value],
            _y: &[Value],
            _dy: &[Option<Value>],
        ) -> Result<crate::graph::Grads> {
            Ok(vec![None])
        }
    }

    /// The references are no copies of what they are held against: a formula that is wrong for one number is found.
    #[test]
    fn a_mistake_in_a_formula_of_the_cpu_is_found() {
        let numbers = HostTensor::from_f32([3, 4], (0..12).map(|i| i as f32).collect());
        for mistaken in [true, false] {
            let mut g = Graph::new();
            let x = g.input("x", Meta::f32([3, 4])).unwrap();
            let made = match mistaken {
                true => [g.apply1(Mistaken {}, &[x]).unwrap(), g.apply1(Rows(MistakenRow), &[x]).unwrap()],
                false => [g.scale(x, 2.0).unwrap(), g.softmax(x).unwrap()],
            };
            made.iter().enumerate().for_each(|(i, v)| g.output(format!("y{i}"), *v));
            let leaves = [("x".to_string(), numbers.clone())].into();
            let findings = compare(&mut Store::new(Device::Cpu), g, &leaves, &[], Default::default()).unwrap();
            let wrong: Vec<_> = findings.iter().filter(|f| f.is_wrong()).collect();
            assert_eq!(wrong.len(), if mistaken { 2 } else { 0 }, "{findings:?}");
        }
    }
}
