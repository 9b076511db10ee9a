//! A network as a list of layers and blocks: what `[[net.layer]]` says, and what the built-in kinds are made of.
//!
//! A layer is applied to what the one before it made, unless `from` names another. Its parameters lie under its name, or under
//! its place in the list, counted from 0, as in PyTorch's `Sequential`. Blocks have a list of their own (`body`), whose
//! layers' names begin with the block's; `repeat` puts a block several times, one behind the other, as `name.0`, `name.1`, and
//! so on. Layers that come earlier are found by their names, in the same block first, then in those around it;
//! `"in"` is what the innermost block was given, `"input"` the image.

mod assemble;
mod expr;
mod own;
mod read;
mod vars;

pub(super) use assemble::assemble;
pub use expr::Expr;
pub use own::{LAYERS, Layers, Own, OwnLayer};
pub(super) use read::{LayerKeys, list};
pub(super) use vars::check_vars;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A layer or a block of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Under which its parameters are stored, and others find it; its place in the list if it has none. An empty one puts the
    /// layers of a block beside those around it.
    pub name: Option<String>,
    /// The layer whose result it takes; the one before it if none is named.
    pub from: Option<String>,
    /// Blocks only: how often it comes, one behind the other.
    pub repeat: Option<Expr>,
    /// Whether a stage of the network ends with it (of a block that is repeated, with the last one).
    pub stage: bool,
    /// What it does.
    pub op: LayerKind,
}

impl Layer {
    /// A layer without more.
    pub fn new(op: LayerKind) -> Layer {
        Layer { name: None, from: None, repeat: None, stage: false, op }
    }

    /// Whether a convolution of it is binary.
    pub fn has_bits(&self) -> bool {
        matches!(self.op, LayerKind::BinaryConv { .. } | LayerKind::BinaryAttention { .. })
            || self.op.bodies().into_iter().flatten().any(Layer::has_bits)
    }

    /// Whether it or any layer of it is attention.
    pub fn attends(&self) -> bool {
        matches!(self.op, LayerKind::Attention { .. } | LayerKind::BinaryAttention { .. })
            || self.op.bodies().into_iter().flatten().any(Layer::attends)
    }

    /// The layer under a name.
    pub fn named(self, name: impl Into<String>) -> Layer {
        Layer { name: Some(name.into()), ..self }
    }
}

/// How many there are when it is not said.
fn one() -> Expr {
    Expr::Number(1)
}

fn three() -> usize {
    3
}

fn two() -> usize {
    2
}

fn is_one(e: &Expr) -> bool {
    *e == Expr::Number(1)
}

fn millionth() -> f32 {
    1e-6
}

fn is_millionth(eps: &f32) -> bool {
    *eps == millionth()
}

fn is_false(b: &bool) -> bool {
    !*b
}

fn is_three(n: &usize) -> bool {
    *n == 3
}

fn is_two(n: &usize) -> bool {
    *n == 2
}

/// Where channels of zeros go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Half of them before and half behind (option A of He et al.).
    #[default]
    Both,
    /// Before the channels that are there.
    Before,
    /// Behind them.
    Behind,
}

fn is_both(side: &Side) -> bool {
    *side == Side::Both
}

fn yes() -> bool {
    true
}

fn is_true(b: &bool) -> bool {
    *b
}

/// How results of branches become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// Their channels one after the other.
    #[default]
    Concat,
    /// Their sum.
    Add,
}

/// Names of layers: one, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "give the name of a layer, or a list of names")]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Either, in lists of settings.
impl JsonSchema for Names {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

impl Names {
    fn all(&self) -> &[String] {
        match self {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names,
        }
    }
}

/// What a layer does. In formulas `c` is the number of channels that it takes, `in` of those that the innermost block was given,
/// `i` the repetition of the block that it stands in, from 0, `classes` the number of classes; in a gate `gated` is the number of
/// channels that are multiplied; `[net.vars]` adds others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerKind {
    /// A convolution in full precision.
    Conv {
        /// How many filters, outputs or channels.
        width: Expr,
        /// Rows and columns of taps.
        #[serde(default = "three", skip_serializing_if = "is_three")]
        kernel: usize,
        /// Step.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        stride: Expr,
        /// Pixels around the image; half of the window unless given, which keeps the size at stride 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        padding: Option<usize>,
        /// Pixels from one tap to the next.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        dilation: Expr,
        /// Groups of channels, each with its own filters; `"c"` for one filter a channel (depthwise). Binary ones are summed as
        /// floats, which gives the same integers, and not by popcounts.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: Expr,
        /// Whether each filter adds a number of its own.
        #[serde(default, skip_serializing_if = "is_false")]
        bias: bool,
    },
    /// A binary convolution, as `[net.binarization]` says; in full precision where `net.binary` is false.
    BinaryConv {
        /// How many filters, outputs or channels.
        width: Expr,
        /// Rows and columns of taps.
        #[serde(default = "three", skip_serializing_if = "is_three")]
        kernel: usize,
        /// Step.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        stride: Expr,
        /// Pixels around the image; half of the window unless given, which keeps the size at stride 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        padding: Option<usize>,
        /// Pixels from one tap to the next.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        dilation: Expr,
        /// Groups of channels, each with its own filters; `"c"` for one filter a channel (depthwise). Binary ones are summed as
        /// floats, which gives the same integers, and not by popcounts.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: Expr,
        /// Of a binary convolution, true if it is that of a shortcut, which methods may treat apart; of a residual block, the
        /// layers of its shortcut.
        #[serde(default, skip_serializing_if = "is_false")]
        shortcut: bool,
    },
    /// A linear layer, on a pixel's or a flattened map's numbers.
    Linear {
        /// Outputs.
        width: Expr,
        /// Whether each output adds a number of its own.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        bias: bool,
    },
    /// The last layer: a linear layer with an output a class, called `fc` unless it has a name. What it takes are the network's features. Without classes it is left out.
    Classifier {},
    /// Batch normalisation.
    BatchNorm {
        /// Where its factors start; `net.bn_gain`, or 1, unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gain: Option<f32>,
        /// Whether it has factors and offsets at all.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        affine: bool,
    },
    /// max(x, 0).
    Relu {},
    /// One learned slope a channel below 0.
    Prelu {},
    /// ReActNet's PReLU, with a learned shift before and behind it.
    Rprelu {},
    /// A learned slope a channel over 0, and one below (ReCU's and AdaBin's releases call it so).
    Maxout {},
    /// A fixed slope below 0.
    LeakyRelu {
        /// The slope.
        slope: f32,
    },
    /// clamp(x, -1, 1).
    Hardtanh {},
    /// clamp(x, low, high).
    Clip {
        /// The least that it gives.
        low: f32,
        /// The most.
        high: f32,
    },
    /// 1 / (1 + e^-x).
    Sigmoid {},
    /// Hyperbolic tangent.
    Tanh {},
    /// x Φ(x), Φ the normal distribution function.
    Gelu {},
    /// x σ(1.702 x): the gelu of CLIP's networks.
    QuickGelu {},
    /// Layer normalisation: of each pixel's channels.
    LayerNorm {
        /// Added to the variance.
        #[serde(default = "millionth", skip_serializing_if = "is_millionth")]
        eps: f32,
    },
    /// Attention over all pixels of an image; what it takes are the queries. Each head owns as many neighbouring channels.
    Attention {
        /// How many.
        heads: usize,
        /// The layer that made the keys.
        key: String,
        /// The layer that made the values.
        value: String,
    },
    /// Attention of bits: of the signs of queries, keys and values, each with a learned threshold a channel, and with probabilities of
    /// one bit, a learned level apart (BinaryViT, BiT). In full precision where `net.binary` is false.
    BinaryAttention {
        /// How many heads, of 32 or 64 channels each.
        heads: usize,
        /// The layer that made the keys.
        key: String,
        /// The layer that made the values.
        value: String,
    },
    /// A learned pixel before all others, which stand in one row from there on. Its name is the parameter's.
    ClassToken {},
    /// The first pixel alone.
    TakeClassToken {},
    /// Adds a learned number for each pixel and channel. Its name is the parameter's.
    Position {},
    /// A learned factor and a learned summand a channel.
    LayerScale {
        /// Where the factors start; the summands start at 0.
        start: f32,
    },
    /// The mean of each few neighbouring channels.
    MeanChannels {
        /// How many make one.
        of: Expr,
    },
    /// Stochastic depth: in training, a share of the images loses all of this, and the others are scaled up.
    DropPath {
        /// The share.
        share: f32,
    },
    /// The largest of each window.
    MaxPool {
        /// Rows and columns.
        #[serde(default = "two", skip_serializing_if = "is_two")]
        kernel: usize,
        /// Step; the window's size unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Expr>,
        /// Pixels around the image, at most half of the window.
        #[serde(default, skip_serializing_if = "is_zero")]
        padding: usize,
    },
    /// The mean of each window.
    AvgPool {
        /// Rows and columns.
        #[serde(default = "two", skip_serializing_if = "is_two")]
        kernel: usize,
        /// Step; the window's size unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<Expr>,
        /// Pixels around the image, at most half of the window; they count as 0.
        #[serde(default, skip_serializing_if = "is_zero")]
        padding: usize,
    },
    /// A fixed low pass, then every stride-th pixel: binomial weights, as anti-aliased networks have it (Zhang 2019).
    BlurPool {
        /// Rows and columns of the low pass.
        #[serde(default = "three", skip_serializing_if = "is_three")]
        kernel: usize,
        /// Step.
        #[serde(default = "two_steps", skip_serializing_if = "is_two_steps")]
        stride: Expr,
    },
    /// The mean over all pixels.
    GlobalAvgPool {},
    /// Zeros around the image, not the same on all sides.
    Pad {
        /// Rows above and below.
        rows: [usize; 2],
        /// Columns to the left and to the right.
        columns: [usize; 2],
    },
    /// Every stride-th pixel.
    Subsample {
        /// Step.
        stride: Expr,
    },
    /// Channels of zeros up to a width.
    PadChannels {
        /// Channels of the result.
        width: Expr,
        /// Where they go.
        #[serde(default, skip_serializing_if = "is_both")]
        side: Side,
    },
    /// All numbers of an image as the channels of one pixel.
    Flatten {},
    /// In training, sets a share of the numbers to 0 and scales the others up.
    Dropout {
        /// The share.
        share: f32,
    },
    /// Adds other layers' results.
    Add {
        /// Their names.
        with: Names,
    },
    /// Multiplies by other layers' results, which may have one pixel for all.
    Multiply {
        /// Their names.
        with: Names,
    },
    /// Puts other layers' channels behind its own.
    Concat {
        /// Their names.
        with: Names,
    },
    /// Layers one after the other.
    Block {
        /// Its layers.
        #[schemars(with = "Vec<BTreeMap<String, ()>>")]
        body: Vec<Layer>,
    },
    /// Layers whose result is added to what they were given.
    Residual {
        /// Its layers.
        #[schemars(with = "Vec<BTreeMap<String, ()>>")]
        body: Vec<Layer>,
        /// What becomes of what they were given before it is added, where they change its extents.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(with = "Vec<BTreeMap<String, ()>>")]
        shortcut: Vec<Layer>,
    },
    /// Layers whose channels are put behind those that they were given (DenseNet).
    Dense {
        /// Its layers.
        #[schemars(with = "Vec<BTreeMap<String, ()>>")]
        body: Vec<Layer>,
    },
    /// Several lists of layers, all given the same.
    Branches {
        /// The lists.
        #[schemars(with = "Vec<Vec<BTreeMap<String, ()>>>")]
        branch: Vec<Vec<Layer>>,
        /// How their results become one.
        #[serde(default, skip_serializing_if = "is_concat")]
        join: Join,
    },
    /// A layer of another crate ([`LAYERS`]).
    #[serde(skip)]
    #[schemars(skip)]
    Own(Own),
    /// Layers whose result is what their input is multiplied by: squeeze-and-excite and other gates.
    Gate {
        /// Its layers.
        #[schemars(with = "Vec<BTreeMap<String, ()>>")]
        body: Vec<Layer>,
        /// The layer whose result they are given instead; what is multiplied stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
    },
}

impl LayerKind {
    /// The lists of layers of a block.
    pub fn bodies(&self) -> Vec<&[Layer]> {
        match self {
            LayerKind::Block { body } | LayerKind::Dense { body } | LayerKind::Gate { body, .. } => vec![body],
            LayerKind::Residual { body, shortcut } => vec![body, shortcut],
            LayerKind::Branches { branch, .. } => branch.iter().map(Vec::as_slice).collect(),
            _ => Vec::new(),
        }
    }
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn two_steps() -> Expr {
    Expr::Number(2)
}

fn is_two_steps(e: &Expr) -> bool {
    *e == two_steps()
}

fn is_concat(join: &Join) -> bool {
    *join == Join::Concat
}
