//! A network under construction, and what is known of it afterwards.

use super::adapt::Masked;
use super::binarization::MatrixShape;
use super::count::Count;
use super::estimators::SteKind;
use super::spec::NetSpec;
use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Role, Value};
use crate::ops::pointwise::Ste;
use crate::tensor::Shape;
use serde::Serialize;

/// What a network is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics are updated.
    Train,
    /// Batch statistics; nothing is updated: a look at what a network in training makes.
    Batch,
    /// Running statistics.
    Eval,
    /// Running statistics, but gradients flow: frozen batch normalisation.
    Frozen,
    /// Running statistics, which move towards those of the batch: a trained network that settles.
    Settle,
    /// Running statistics and weights that no optimiser of this graph sees: a teacher.
    Fixed,
    /// The same, normalised by the statistics of the batch.
    FixedBatch,
    /// Running statistics and, of binary convolutions, stored bits and scales instead of latent weights: what is shipped.
    Packed,
}

impl Mode {
    /// Whether something may be differentiated through the network.
    pub(super) fn has_gradient(self) -> bool {
        matches!(self, Mode::Train | Mode::Batch | Mode::Frozen | Mode::Settle)
    }
}

/// A binary convolution of a network.
#[derive(Clone, Debug)]
pub struct BinaryLayer {
    /// Its path.
    pub name: String,
    /// Latent weights `[o, k, k, c]`; `None` where only stored bits are used.
    pub weight: Option<Value>,
    /// The bits that it convolves with; `None` under real weights.
    pub bits: Option<Value>,
    /// The scale of each filter `[o]` that is computed from latent weights.
    pub scale: Option<Value>,
    /// The number in the middle between the two values of each filter `[o]`, where that is not 0 (AdaBin).
    pub centre: Option<Value>,
    /// RBCN's scale matrix and its shape.
    pub matrix: Option<(Value, MatrixShape)>,
}

/// A network in a graph.
#[derive(Clone, Debug)]
pub struct Network {
    /// `[n, classes]`; the features themselves if no classes were asked for.
    pub logits: Value,
    /// What the linear layer sees, `[n, d]`.
    pub features: Value,
    /// Outputs of the stages, after normalisation and shortcut and before the nonlinearity, `[n, h, w, c]`.
    pub stages: Vec<Value>,
    /// Outputs of the residual blocks, first to last, after the nonlinearity that directly follows one.
    pub residuals: Vec<Value>,
    /// The binary convolutions, first to last.
    pub binary: Vec<BinaryLayer>,
    /// The tensors with a mask, in the order of the layers.
    pub masks: Vec<Masked>,
    /// What one image costs.
    pub count: Count,
    /// Its layers and blocks, in order.
    pub layers: Vec<LayerInfo>,
}

/// A layer of a network, or a block with what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Its name with those of the blocks around it.
    pub path: String,
    /// What it is.
    pub op: String,
    /// Blocks around it.
    pub depth: usize,
    /// Whether it is a block.
    pub is_block: bool,
    /// How often a block comes, each with a row of its own among what stands in it; 1 unless it is repeated.
    pub repeat: usize,
    /// Rows of this list whose results it takes instead of, or beside, that of the one before it.
    pub reads: Vec<Read>,
    /// What it is given, and makes, of one image: `[h, w, c]`, or `[d]`.
    pub from: Vec<usize>,
    /// What it makes of one image.
    pub extents: Vec<usize>,
    /// What it costs, with what stands in it.
    pub count: Count,
}

/// What a layer takes that is not the result of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Read {
    /// The image.
    Image,
    /// What the block of a row was given.
    GivenTo(usize),
    /// What a row made.
    MadeBy(usize),
}

/// A network under construction: layers are appended one after the other, each under a name by which its parameters are stored.
///
/// # Example
///
/// A network of another crate, trained on a GPU:
///
/// ```ignore
#[doc = include_str!("../../tests/examples/own_network.rs")]
/// ```
pub struct Builder<'a> {
    /// The graph that it is appended to.
    pub g: &'a mut Graph,
    /// Its description: whether and how inner layers are binarised, how weights start, the nonlinearity. `kind` and `widths` are
    /// for those who choose the layers.
    pub spec: &'a NetSpec,
    pub(super) mode: Mode,
    pub(super) gate: Option<Value>,
    ede: Option<(Value, Value)>,
    pub(super) features: Option<Value>,
    pub(super) stages: Vec<Value>,
    pub(super) residuals: Vec<Value>,
    pub(super) binary: Vec<BinaryLayer>,
    pub(super) masks: Vec<Masked>,
    pub(super) count: Count,
    pub(super) layers: Vec<LayerInfo>,
}

/// What a convolution made: its output and the positive per-channel factor that is still to be
/// applied to it, which batch normalisation absorbs.
pub struct Scaled {
    /// The output: f32, or integers.
    pub y: Value,
    /// `[O]`.
    pub scale: Option<Value>,
}

impl<'a> Builder<'a> {
    /// A network without layers. In training mode running statistics are updated, unless `gate` (one number) is not 0.
    ///
    /// # Errors
    /// If settings of the description do not go together.
    pub fn new(g: &'a mut Graph, spec: &'a NetSpec, mode: Mode, gate: Option<Value>) -> Result<Self> {
        spec.validate()?;
        // Only a gradient needs an estimator.
        let wants_ede = spec.is_binary() && spec.binarization.has_ede() && mode.has_gradient();
        let ede = if wants_ede { Some((g.scalar("ede.t")?, g.scalar("ede.k")?)) } else { None };
        let (stages, residuals, binary, masks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (features, count, layers) = (None, Count::default(), Vec::new());
        Ok(Builder { g, spec, mode, gate, ede, features, stages, residuals, binary, masks, count, layers })
    }

    /// What it is built for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The network, with what its last layer made; its features are what [`Builder::head`] was given, or the same.
    pub fn finish(self, logits: Value) -> Network {
        let features = self.features.unwrap_or(logits);
        let Builder { stages, residuals, binary, masks, count, layers, .. } = self;
        Network { logits, features, stages, residuals, binary, masks, count, layers }
    }

    /// Builds a part under a name.
    pub fn scoped<T>(&mut self, name: impl Into<String>, f: impl FnOnce(&mut Self) -> T) -> T {
        self.g.enter(name);
        let out = f(self);
        self.g.leave();
        out
    }

    /// Channels of an activation.
    pub fn channels(&self, x: Value) -> usize {
        self.g.shape(x).columns()
    }

    /// A parameter; in a network that is fixed, a state.
    pub fn param(&mut self, name: &str, shape: impl Into<Shape>, init: Init, role: Role) -> Result<Value> {
        match self.mode {
            Mode::Fixed | Mode::FixedBatch => self.g.state(name, Meta::f32(shape), init),
            _ => self.g.param(name, shape, init, role),
        }
    }

    /// Notes `x` as the output of a stage ([`Network::stages`]) if one ends here.
    pub fn stage(&mut self, x: Value, ends: bool) {
        if ends {
            self.stages.push(x);
        }
    }

    pub(super) fn ste(&self, kind: SteKind) -> Ste {
        match kind {
            _ if !self.mode.has_gradient() => Ste::Identity,
            SteKind::Clipped => Ste::ClippedIdentity,
            SteKind::ClippedOpen => Ste::ClippedOpen,
            SteKind::ApproxSign => Ste::ApproxSign,
            SteKind::Identity => Ste::Identity,
            SteKind::Own(estimator) => Ste::Own(estimator),
            SteKind::Ede => {
                let (t, k) = self.ede.expect("made when the network has EDE signs");
                Ste::Ede { t, k }
            }
        }
    }
}
