//! What is computed: a typed list of nodes, and its reverse-mode derivative.
//!
//! Nothing runs while a graph is built. Nodes stand in an order in which they could run; a node's
//! inputs are leaves (parameters, state, batch inputs, scalars, constants) or outputs of earlier nodes.

mod backward;
mod built_in;
mod gradient_of;
mod init;
mod op;
mod part;
mod recompute;
mod value;

pub use gradient_of::GradientOf;
pub use init::{Init, Role};
pub use op::{CpuIo, EPS, Grads, LowerCx, Op, Pointwise};
pub use value::Value;

use crate::error::{Error, Result};
use crate::tensor::{DType, HostTensor, Shape};
use built_in::is_built_in;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};
use value::Lineage;

/// Shape and element type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Meta {
    /// Extents.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl Meta {
    /// Shape and type.
    pub fn new(shape: impl Into<Shape>, dtype: DType) -> Self {
        Meta { shape: shape.into(), dtype }
    }

    /// A float tensor.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self::new(shape, DType::F32)
    }

    /// Stored size in 32-bit words.
    pub fn words(&self) -> usize {
        self.dtype.words(&self.shape)
    }

    /// Stored size in bytes.
    pub fn bytes(&self) -> usize {
        self.words().saturating_mul(4)
    }
}

impl fmt::Display for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

/// Where a leaf's content comes from.
#[derive(Clone, Debug)]
pub enum Leaf {
    /// Trained; shared by name with every program of the same store.
    Param,
    /// Kept between steps but not trained by gradient: running statistics, momentum, counters.
    State,
    /// Written by the host before a step: images, labels, augmentation parameters.
    Input,
    /// One number of the scalars buffer, written once a step: learning rate, temperature.
    Scalar(usize),
    /// Known when the graph is built.
    Const(Arc<HostTensor>),
}

/// What makes a value.
#[derive(Clone, Debug)]
pub enum Def {
    /// Nothing in this graph.
    Leaf(Leaf),
    /// Output `port` of a node.
    Node {
        /// Position of the node.
        node: usize,
        /// Which of its outputs.
        port: usize,
    },
}

/// A value's entry in the graph.
#[derive(Clone, Debug)]
pub struct ValueInfo {
    /// Shape and type.
    pub meta: Meta,
    /// What makes it.
    pub def: Def,
    /// Name of a leaf, or scope and op of the node that makes it.
    pub name: String,
}

/// The part of a step that a node belongs to. Fusion does not cross it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub enum Phase {
    /// From inputs to the loss.
    #[default]
    Forward,
    /// Gradients.
    Backward,
    /// Optimiser, running statistics, metrics.
    Update,
}

/// An op applied to values.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is applied.
    pub op: Arc<dyn Op>,
    /// Whether the op is one of this crate. What others launch, kernels of this crate too, devices run with bounds checks.
    pub(crate) built_in: bool,
    /// Whether its output is its input's memory, as the op said when it was applied.
    pub(crate) is_view: bool,
    /// To what.
    pub inputs: Vec<Value>,
    /// What it makes.
    pub outputs: Vec<Value>,
    /// Layer path, for messages and profiles.
    pub scope: String,
    /// Part of the step.
    pub phase: Phase,
}

/// A step as data. What is asked of it, or built in it, with a value of another graph makes every later step of building
/// and compiling it fail: see [`Graph::check`].
#[derive(Default, Debug)]
pub struct Graph {
    lineage: Lineage,
    /// The first use of a value of another graph where nothing could be refused.
    fault: OnceLock<String>,
    values: Vec<ValueInfo>,
    nodes: Vec<Node>,
    leaves: HashMap<String, Value>,
    scalars: Vec<String>,
    outputs: Vec<(String, Value)>,
    assigns: Vec<(Value, Value)>,
    inits: HashMap<Value, (Init, Role)>,
    bases: HashMap<Value, Value>,
    differentiated: Vec<(Value, Vec<Value>)>,
    scope: Vec<String>,
    phase: Phase,
}

/// A graph of its own from here on: it has the values that were there, and of those made later each has its own.
impl Clone for Graph {
    fn clone(&self) -> Self {
        Graph {
            lineage: self.lineage.fork(self.values.len()),
            fault: self.fault.clone(),
            values: self.values.clone(),
            nodes: self.nodes.clone(),
            leaves: self.leaves.clone(),
            scalars: self.scalars.clone(),
            outputs: self.outputs.clone(),
            assigns: self.assigns.clone(),
            inits: self.inits.clone(),
            bases: self.bases.clone(),
            differentiated: self.differentiated.clone(),
            scope: self.scope.clone(),
            phase: self.phase,
        }
    }
}

/// What is told of a value of another graph, until [`Graph::check`] is asked.
static STRANGER: LazyLock<ValueInfo> = LazyLock::new(|| ValueInfo {
    // As long as any shape that builders take apart, so that they come to where they can fail.
    meta: Meta::f32([1, 1, 1, 1]),
    def: Def::Leaf(Leaf::Input),
    name: "a value of another graph".to_string(),
});

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    fn leaf(&mut self, name: &str, meta: Meta, leaf: Leaf) -> Result<Value> {
        if let Some(&v) = self.leaves.get(name) {
            let old = &self.values[v.index()];
            let same_kind =
                matches!(&old.def, Def::Leaf(l) if std::mem::discriminant(l) == std::mem::discriminant(&leaf));
            if old.meta != meta || !same_kind {
                let (kept, new) = (&old.meta, &meta);
                let what = "two parameters or inputs of one name must be the same, give one of them another name";
                return Err(Error::Config(format!("{name} is there twice, as {kept} and as {new}: {what}")));
            }
            return Ok(v);
        }
        self.check()?;
        if !meta.shape.is_countable() {
            return Err(Error::Config(format!("{name} is {meta}, more than memory has addresses")));
        }
        let v = self.push_value(meta, Def::Leaf(leaf), name.to_string());
        self.leaves.insert(name.to_string(), v);
        Ok(v)
    }

    fn push_value(&mut self, meta: Meta, def: Def, name: String) -> Value {
        self.values.push(ValueInfo { meta, def, name });
        self.lineage.value(self.values.len() - 1)
    }

    /// Whether a value is this graph's: made in it, or in the graph that it is a clone of before that.
    pub fn has(&self, v: Value) -> bool {
        v.index() < self.values.len() && self.lineage.value(v.index()) == v
    }

    /// Fails once anything was asked of this graph, or built in it, with a value of another one. What was made of that
    /// would be another network than the one that was meant.
    pub fn check(&self) -> Result<()> {
        self.fault.get().map_or(Ok(()), |what| Err(Error::Config(what.clone())))
    }

    /// As [`Graph::check`], for values that are used now.
    fn check_own(&self, values: &[Value]) -> Result<()> {
        match values.iter().find(|v| !self.has(**v)) {
            Some(v) => Err(Error::Config(self.stranger(*v))),
            None => self.check(),
        }
    }

    /// For what cannot fail itself.
    fn note_stranger(&self, v: Value) {
        if !self.has(v) {
            // The first one is told.
            let _ = self.fault.set(self.stranger(v));
        }
    }

    fn stranger(&self, v: Value) -> String {
        let at = if self.scope.is_empty() { String::new() } else { format!(" in {}", self.scope.join(".")) };
        format!(
            "value {} of another graph was used{at}: a network is built in one graph, and a clone has only the values \
             that were there when it was made",
            v.index()
        )
    }

    fn info(&self, v: Value) -> &ValueInfo {
        if self.has(v) {
            return &self.values[v.index()];
        }
        self.note_stranger(v);
        &STRANGER
    }

    /// A trained f32 tensor, named below the current scope. The same name gives the same tensor.
    pub fn param(&mut self, name: &str, shape: impl Into<Shape>, init: Init, role: Role) -> Result<Value> {
        let v = self.leaf(&self.path(name), Meta::f32(shape), Leaf::Param)?;
        self.inits.insert(v, (init, role));
        Ok(v)
    }

    /// A tensor that is kept between steps, named below the current scope, and starts as `init`.
    pub fn state(&mut self, name: &str, meta: Meta, init: Init) -> Result<Value> {
        let v = self.leaf(&self.path(name), meta, Leaf::State)?;
        self.inits.insert(v, (init, Role::Other));
        Ok(v)
    }

    /// How a parameter or state starts, and what it is for.
    pub fn init(&self, v: Value) -> Option<(Init, Role)> {
        self.inits.get(&v).copied()
    }

    /// A tensor that the host writes before a step; its name is not scoped.
    pub fn input(&mut self, name: &str, meta: Meta) -> Result<Value> {
        self.leaf(name, meta, Leaf::Input)
    }

    /// A number that the host sets every step without re-recording; its name is not scoped. Only
    /// pointwise ops read it directly.
    pub fn scalar(&mut self, name: &str) -> Result<Value> {
        if let Some(&v) = self.leaves.get(name) {
            return Ok(v);
        }
        let slot = self.scalars.len();
        self.scalars.push(name.to_string());
        self.leaf(name, Meta::f32([]), Leaf::Scalar(slot))
    }

    /// A tensor known now.
    ///
    /// # Panics
    /// Where tensors are made: if one has more elements than memory has addresses.
    pub fn constant(&mut self, tensor: HostTensor) -> Value {
        let name = format!("const{}", self.values.len());
        let meta = Meta::new(tensor.shape().clone(), tensor.dtype());
        self.push_value(meta, Def::Leaf(Leaf::Const(Arc::new(tensor))), name)
    }

    /// A constant filled with one number.
    pub fn fill(&mut self, shape: impl Into<Shape>, value: f32) -> Value {
        let shape = shape.into();
        let n = shape.elements();
        self.constant(HostTensor::from_f32(shape, vec![value; n]))
    }

    /// Applies `op`; its outputs, in order.
    pub fn apply(&mut self, op: impl Op, inputs: &[Value]) -> Result<Vec<Value>> {
        let built_in = is_built_in(&op);
        self.apply_shared(Arc::new(op), built_in, inputs)
    }

    /// As [`Graph::apply`], with an op that another graph may have too, which knows where it is from ([`Node::built_in`]).
    pub(crate) fn apply_shared(&mut self, op: Arc<dyn Op>, built_in: bool, inputs: &[Value]) -> Result<Vec<Value>> {
        self.check_own(inputs)?;
        let metas: Vec<Meta> = inputs.iter().map(|v| self.meta(*v).clone()).collect();
        let out = op.infer(&metas)?;
        if let Some(huge) = out.iter().find(|m| !m.shape.is_countable()) {
            return Err(Error::shape(op.name(), format!("its result {huge} is more than memory has addresses")));
        }
        let is_view = op.is_view();
        if is_view && (out.len() != 1 || metas.first().map(Meta::words) != Some(out[0].words())) {
            return Err(Error::shape(op.name(), "a view has one output, of as many words as its input".to_string()));
        }
        let node = self.nodes.len();
        let name = self.path(op.name());
        let outputs: Vec<Value> = out
            .into_iter()
            .enumerate()
            .map(|(port, meta)| self.push_value(meta, Def::Node { node, port }, name.clone()))
            .collect();
        self.nodes.push(Node {
            op,
            built_in,
            is_view,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            scope: self.scope.join("."),
            phase: self.phase,
        });
        Ok(outputs)
    }

    /// Applies an op with one output.
    pub fn apply1(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value> {
        Ok(self.apply(op, inputs)?[0])
    }

    /// Builds a layer under a name: parameters made by `f` are called `name.…`.
    pub fn scoped<T>(&mut self, name: impl Into<String>, f: impl FnOnce(&mut Graph) -> T) -> T {
        self.enter(name);
        let out = f(self);
        self.leave();
        out
    }

    /// What follows is named below `name`, until [`Graph::leave`].
    pub fn enter(&mut self, name: impl Into<String>) {
        self.scope.push(name.into());
    }

    /// Ends what [`Graph::enter`] began.
    pub fn leave(&mut self) {
        self.scope.pop();
    }

    /// Builds nodes of another part of the step.
    pub fn in_phase<T>(&mut self, phase: Phase, f: impl FnOnce(&mut Graph) -> T) -> T {
        let old = std::mem::replace(&mut self.phase, phase);
        let out = f(self);
        self.phase = old;
        out
    }

    /// The full name of `name` in the current scope.
    pub fn path(&self, name: &str) -> String {
        self.scope.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
    }

    /// Keeps a value readable after a run, under a name.
    pub fn output(&mut self, name: impl Into<String>, value: Value) {
        self.note_stranger(value);
        self.outputs.push((name.into(), value));
    }

    /// At the end of the step, leaf `leaf` (a parameter or state) becomes `value`. Everything else
    /// in the step still reads the old content.
    pub fn assign(&mut self, leaf: Value, value: Value) -> Result<()> {
        self.check_own(&[leaf, value])?;
        let (l, v) = (&self.values[leaf.index()], &self.values[value.index()]);
        if !matches!(l.def, Def::Leaf(Leaf::Param | Leaf::State)) {
            return Err(Error::Config(format!("only parameters and state can be assigned, not {}", l.name)));
        }
        if l.meta != v.meta {
            return Err(Error::shape("assign", format!("{} is {}, its new value is {}", l.name, l.meta, v.meta)));
        }
        if self.assigns.iter().any(|(a, _)| *a == leaf) {
            return Err(Error::Config(format!("{} is assigned twice in one step", l.name)));
        }
        self.assigns.push((leaf, value));
        Ok(())
    }

    /// What leaf `leaf` becomes at the end of the step, as far as it is known: itself if nothing was assigned yet.
    pub fn next(&self, leaf: Value) -> Value {
        self.assigns.iter().find(|(l, _)| *l == leaf).map_or(leaf, |(_, v)| *v)
    }

    /// As [`Graph::assign`], in place of an earlier assignment: for what a step changes several times, each time starting
    /// from [`Graph::next`].
    pub fn assign_next(&mut self, leaf: Value, value: Value) -> Result<()> {
        self.assigns.retain(|(l, _)| *l != leaf);
        self.assign(leaf, value)
    }

    /// Before the step proper, parameter `leaf` was moved to `value` (recentred, clamped): the optimiser's step
    /// starts from there. No gradient flows through the move, so the network reads
    /// [`Graph::stand_in`]`(leaf, value)`.
    pub fn rebase(&mut self, leaf: Value, value: Value) {
        self.note_stranger(leaf);
        self.note_stranger(value);
        self.bases.insert(leaf, value);
    }

    /// Where the optimiser's step of a parameter starts: the parameter, unless it was moved.
    pub fn base(&self, leaf: Value) -> Value {
        self.bases.get(&leaf).copied().unwrap_or(leaf)
    }

    /// What [`Graph::backward`] has differentiated so far, and by which values.
    pub fn differentiated(&self) -> &[(Value, Vec<Value>)] {
        &self.differentiated
    }

    /// Shape and type of a value.
    pub fn meta(&self, v: Value) -> &Meta {
        &self.info(v).meta
    }

    /// Extents of a value.
    pub fn shape(&self, v: Value) -> &Shape {
        &self.meta(v).shape
    }

    /// Element type of a value.
    pub fn dtype(&self, v: Value) -> DType {
        self.meta(v).dtype
    }

    /// Name of a leaf, or scope and op of what makes the value.
    pub fn name(&self, v: Value) -> &str {
        &self.info(v).name
    }

    /// What makes a value.
    pub fn def(&self, v: Value) -> &Def {
        &self.info(v).def
    }

    /// The leaf of that full name.
    pub fn find(&self, name: &str) -> Option<Value> {
        self.leaves.get(name).copied()
    }

    /// What there is of each value, by number.
    pub fn values(&self) -> &[ValueInfo] {
        &self.values
    }

    /// All values, by number.
    pub fn all(&self) -> impl Iterator<Item = Value> {
        (0..self.values.len()).map(|i| self.lineage.value(i))
    }

    /// All nodes, in an order in which they can run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Names of the scalars, by slot.
    pub fn scalars(&self) -> &[String] {
        &self.scalars
    }

    /// Named results.
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }

    /// Leaves and their next content.
    pub fn assigns(&self) -> &[(Value, Value)] {
        &self.assigns
    }

    /// Trained leaves, in order of creation.
    pub fn params(&self) -> Vec<Value> {
        self.leaves_where(|l| matches!(l, Leaf::Param))
    }

    /// State leaves, in order of creation.
    pub fn states(&self) -> Vec<Value> {
        self.leaves_where(|l| matches!(l, Leaf::State))
    }

    /// Leaves that the host writes before a step, in order of creation.
    pub fn inputs(&self) -> Vec<Value> {
        self.leaves_where(|l| matches!(l, Leaf::Input))
    }

    fn leaves_where(&self, want: impl Fn(&Leaf) -> bool) -> Vec<Value> {
        self.all().filter(|v| matches!(self.def(*v), Def::Leaf(l) if want(l))).collect()
    }
}
