//! A small graph with inputs, to be run on a device and on the reference.

use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Role, Value};
use crate::rng::Philox;
use crate::tensor::{DType, HostTensor, Shape};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a case does, as its table says it.
type Build = dyn Fn(&mut Case) -> Result<()> + Send + Sync;

/// A case of the table, not built yet.
#[derive(Clone)]
pub struct CaseSpec {
    /// The op that it tests.
    pub op: &'static str,
    /// What is special about it.
    pub name: String,
    /// Whether it needs much memory or time: left out of a quick check and of tests that run many.
    pub large: bool,
    build: Arc<Build>,
}

impl CaseSpec {
    /// A case. `build` makes leaves with the methods of [`Case`] and ends with [`Case::keep`] or
    /// [`Case::grad`].
    pub fn new(
        op: &'static str,
        name: impl Into<String>,
        build: impl Fn(&mut Case) -> Result<()> + Send + Sync + 'static,
    ) -> CaseSpec {
        CaseSpec { op, name: name.into(), large: false, build: Arc::new(build) }
    }

    /// As [`CaseSpec::new`], for one that needs much memory or time.
    pub fn large(
        op: &'static str,
        name: impl Into<String>,
        build: impl Fn(&mut Case) -> Result<()> + Send + Sync + 'static,
    ) -> CaseSpec {
        CaseSpec { large: true, ..CaseSpec::new(op, name, build) }
    }

    /// The op and what is special, as filters see them.
    pub fn title(&self) -> String {
        format!("{} {}", self.op, self.name)
    }

    /// Builds the case; `seed` decides its random content.
    ///
    /// # Panics
    /// If the graph cannot be built: the table is fixed.
    pub fn build(&self, seed: u64) -> Case {
        let mut case = Case {
            op: self.op,
            name: self.name.clone(),
            graph: Graph::new(),
            leaves: BTreeMap::new(),
            scalars: Vec::new(),
            differentiable: true,
            seed,
            random: 0,
            trained: Vec::new(),
        };
        if let Err(e) = (self.build)(&mut case) {
            panic!("case {}: {e}", self.title());
        }
        case
    }
}

/// A graph with the content of its leaves.
#[derive(Clone, Debug)]
pub struct Case {
    /// The op that it tests.
    pub op: &'static str,
    /// What is special about it.
    pub name: String,
    /// What is computed.
    pub graph: Graph,
    /// Content of parameters, state and inputs.
    pub leaves: BTreeMap<String, HostTensor>,
    /// Content of the scalars.
    pub scalars: Vec<f32>,
    /// Whether finite differences of the forward pass must equal the gradient: not for
    /// straight-through estimators.
    pub differentiable: bool,
    seed: u64,
    random: u64,
    trained: Vec<Value>,
}

impl Case {
    fn philox(&mut self) -> Philox {
        self.random += 1;
        Philox::new(self.seed, self.random)
    }

    /// A trained leaf of normal random numbers times `scale`.
    pub fn random_scaled(&mut self, shape: impl Into<Shape>, scale: f32) -> Value {
        let shape = shape.into();
        let p = self.philox();
        let values = (0..shape.elements()).map(|i| scale * p.normal(0, i as u64)).collect();
        self.leaf(HostTensor::from_f32(shape, values))
    }

    /// A trained leaf of normal random numbers.
    pub fn random(&mut self, shape: impl Into<Shape>) -> Value {
        self.random_scaled(shape, 1.0)
    }

    /// A trained leaf of uniform random numbers in [low, high).
    pub fn uniform(&mut self, shape: impl Into<Shape>, low: f32, high: f32) -> Value {
        let shape = shape.into();
        let p = self.philox();
        let values = (0..shape.elements()).map(|i| low + (high - low) * p.uniform(0, i as u64)).collect();
        self.leaf(HostTensor::from_f32(shape, values))
    }

    /// Random bits, as an input.
    pub fn bits(&mut self, shape: impl Into<Shape>) -> Value {
        let shape = shape.into();
        let p = self.philox();
        let values: Vec<f64> = (0..shape.elements()).map(|i| (p.uniform(0, i as u64) < 0.5) as u8 as f64).collect();
        self.input(HostTensor::from_f64(shape, DType::Bits, &values))
    }

    /// Random integers in 0..`below`, as an input of that type.
    pub fn integers(&mut self, shape: impl Into<Shape>, dtype: DType, below: u32) -> Value {
        let shape = shape.into();
        let p = self.philox();
        let values: Vec<f64> =
            (0..shape.elements()).map(|i| (p.uniform(0, i as u64) * below as f32).floor() as f64).collect();
        self.input(HostTensor::from_f64(shape, dtype, &values))
    }

    /// A trained leaf with this content.
    pub fn leaf(&mut self, t: HostTensor) -> Value {
        let name = format!("x{}", self.leaves.len());
        let v = self.graph.param(&name, t.shape().clone(), Init::Zeros, Role::Other).expect("names are new");
        self.leaves.insert(name, t);
        self.trained.push(v);
        v
    }

    /// An input with this content.
    pub fn input(&mut self, t: HostTensor) -> Value {
        let name = format!("x{}", self.leaves.len());
        let v = self.graph.input(&name, Meta::new(t.shape().clone(), t.dtype())).expect("names are new");
        self.leaves.insert(name, t);
        v
    }

    /// A scalar of the step.
    pub fn scalar(&mut self, value: f32) -> Value {
        let name = format!("s{}", self.scalars.len());
        self.scalars.push(value);
        self.graph.scalar(&name).expect("names are new")
    }

    /// Checks a value.
    pub fn keep(&mut self, y: Value) -> Result<()> {
        let name = format!("y{}", self.graph.outputs().len());
        self.graph.output(name, y);
        Ok(())
    }

    /// Checks a value and the gradients of a random weighting of it with respect to all trained leaves.
    pub fn grad(&mut self, y: Value) -> Result<()> {
        self.keep(y)?;
        let shape = self.graph.shape(y).clone();
        let p = self.philox();
        let weights = (0..shape.elements()).map(|i| p.normal(0, i as u64)).collect();
        let w = self.graph.constant(HostTensor::from_f32(shape.clone(), weights));
        let weighted = self.graph.mul(y, w)?;
        let flat = self.graph.reshape(weighted, [shape.elements()])?;
        let loss = self.graph.sum(flat, &[0])?;
        let loss = self.graph.reshape(loss, [])?;
        self.graph.output("loss", loss);
        let trained = self.trained.clone();
        for (v, d) in trained.iter().zip(self.graph.backward(loss, &trained)?) {
            let name = format!("d{}", self.graph.name(*v));
            self.graph.output(name, d);
        }
        Ok(())
    }

    /// As [`Case::grad`], for straight-through estimators, whose gradient is not the derivative.
    pub fn estimated_grad(&mut self, y: Value) -> Result<()> {
        self.differentiable = false;
        self.grad(y)
    }
}
