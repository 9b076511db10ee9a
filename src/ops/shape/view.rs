//! The same words under another shape: reshape, and detach, which stops gradients.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, GradientOf, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::Lowering;
use crate::ops::inputs::exactly;
use crate::tensor::{RefTensor, Shape};

/// Another shape with as many elements. Packed types keep their last axis, on which they pack.
#[derive(Clone, Debug)]
pub struct Reshape {
    /// The new shape.
    pub shape: Shape,
}

/// The same tensor, through which no gradient flows.
#[derive(Clone, Debug)]
pub struct Detach;

macro_rules! view_op {
    () => {
        fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
            vec![RefTensor { shape: outputs[0].shape.clone(), ..inputs[0].clone() }]
        }

        fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
            vec![vec![0.0; outputs[0].data.len()]]
        }

        fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
            let x = io.words(0);
            io.out_words(0).copy_from_slice(x);
            Ok(())
        }

        fn lower(&self, _cx: &LowerCx<'_>) -> Result<Lowering> {
            unreachable!("a view shares its input's buffer")
        }

        fn is_view(&self) -> bool {
            true
        }
    };
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("reshape", inputs)?;
        let packed_ok = x.dtype.per_word() == 1 || x.shape.columns() == self.shape.columns();
        if x.shape.elements() != self.shape.elements() || !packed_ok {
            return Err(Error::shape("reshape", format!("{x} cannot become {}", self.shape)));
        }
        Ok(vec![Meta::new(self.shape.clone(), x.dtype)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let shape = g.shape(x[0]).clone();
        Ok(vec![dy[0].map(|d| g.reshape(d, shape)).transpose()?])
    }

    view_op!();
}

impl Op for Detach {
    fn name(&self) -> &'static str {
        "detach"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("detach", inputs)?;
        Ok(vec![x.clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None])
    }

    fn gradient_of(&self) -> GradientOf {
        GradientOf::Definition
    }

    view_op!();
}

impl Graph {
    /// `x` under another shape.
    pub fn reshape(&mut self, x: Value, shape: impl Into<Shape>) -> Result<Value> {
        let shape = shape.into();
        if *self.shape(x) == shape {
            return Ok(x);
        }
        self.apply1(Reshape { shape }, &[x])
    }

    /// `x`, through which no gradient flows.
    pub fn detach(&mut self, x: Value) -> Result<Value> {
        self.apply1(Detach, &[x])
    }
}
