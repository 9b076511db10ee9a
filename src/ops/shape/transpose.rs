//! Permutes axes: `y[c_perm[0], c_perm[1], …] = x[c_0, c_1, …]`, as NumPy's transpose.

use super::strided::{Strided, indices, movable, six};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Lowering, Operand};
use crate::ops::inputs::exactly;
use crate::tensor::{RefTensor, Shape};

/// Output axis `i` is input axis `perm[i]`.
#[derive(Clone, Debug)]
pub struct Transpose {
    /// A permutation of the axes.
    pub perm: Vec<usize>,
}

impl Transpose {
    fn strided(&self, x: &Shape) -> Strided {
        let strides = x.strides();
        let pick = |of: &[usize]| self.perm.iter().map(|&p| of[p]).collect::<Vec<_>>();
        Strided { extents: six(&pick(x), 1), strides: six(&pick(&strides), 0), base: 0 }
    }
}

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("transpose", inputs)?;
        movable("transpose", x)?;
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if sorted != (0..x.shape.len()).collect::<Vec<_>>() {
            return Err(Error::shape("transpose", format!("{:?} is no permutation of the axes of {x}", self.perm)));
        }
        Ok(vec![Meta::new(self.perm.iter().map(|&p| x.shape[p]).collect::<Vec<_>>(), x.dtype)])
    }

    fn grad(&self, g: &mut Graph, _x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let mut inverse = vec![0; self.perm.len()];
        self.perm.iter().enumerate().for_each(|(i, &p)| inverse[p] = i);
        Ok(vec![dy[0].map(|d| g.transpose(d, &inverse)).transpose()?])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let data = indices(&outputs[0].shape)
            .map(|c| {
                let mut from = vec![0; c.len()];
                self.perm.iter().zip(&c).for_each(|(&p, &c)| from[p] = c);
                x.at(&from)
            })
            .collect();
        vec![RefTensor::new(outputs[0].shape.clone(), x.dtype, data)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (x, copy) = (io.words(0), self.strided(&io.meta(0).shape));
        copy.copy(x, io.out_words(0));
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let launch = self.strided(&cx.inputs[0].shape).launch(Operand::In(0), Operand::Out(0));
        Ok(Lowering { temps: vec![], launches: vec![launch] })
    }
}

impl Graph {
    /// `x` with its axes in the order `perm`.
    pub fn transpose(&mut self, x: Value, perm: &[usize]) -> Result<Value> {
        if perm.len() == self.shape(x).len() && perm.iter().enumerate().all(|(i, &p)| i == p) {
            return Ok(x);
        }
        self.apply1(Transpose { perm: perm.to_vec() }, &[x])
    }
}
