//! The description of a network, as it stands in a recipe's `[net]` table.

use super::adapt::Adapt;
use super::binarization::Binarization;
use super::builder::{Builder, Mode, Network};
use super::count::Count;
use super::kinds::Vit;
use super::layer::{self, Layer, LayerKeys};
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetKind {
    /// The layers of `[[net.layer]]`.
    Layers,
    /// A float 3x3 stem and three 3x3 layers with pooling between them.
    Convnet,
    /// Fully connected layers, as many as there are widths.
    Mlp,
    /// The smallest of the same family as ResNet-20: three stages of one block.
    Resnet8,
    /// He et al. 2016 for 32-pixel images: three stages of three blocks.
    Resnet20,
    /// The same with stages of five blocks.
    Resnet32,
    /// Of seven.
    Resnet44,
    /// Of nine.
    Resnet56,
    /// Four stages of two basic blocks.
    Resnet18,
    /// Four stages of 3, 4, 6, 3 basic blocks.
    Resnet34,
    /// Four stages of 3, 4, 6, 3 bottleneck blocks.
    Resnet50,
    /// Wide-ResNet skeleton of RBCN: stem and three groups of three blocks.
    Wrn22,
    /// The same with groups of six blocks.
    Wrn40,
    /// Six 3x3 layers, of which every second one pools.
    VggSmall,
    /// MobileNet's skeleton with full 3x3 convolutions, for 224-pixel images (Liu et al. 2020).
    ReactnetA,
    /// The same in five blocks, for 32-pixel images.
    Minireact,
    /// Vision transformer (Dosovitskiy et al. 2021), tiny: width 192, 12 blocks, patches of 16 pixels.
    #[serde(rename = "vit-ti16")]
    VitTi16,
    /// Small: width 384.
    #[serde(rename = "vit-s16")]
    VitS16,
    /// Base: width 768.
    #[serde(rename = "vit-b16")]
    VitB16,
    /// Base with patches of 32 pixels.
    #[serde(rename = "vit-b32")]
    VitB32,
    /// CLIP's image tower (Radford et al. 2021): as `vit-b16`, normalised before the first block too.
    #[serde(rename = "clip-b16")]
    ClipB16,
    /// With patches of 32 pixels.
    #[serde(rename = "clip-b32")]
    ClipB32,
    /// A vision transformer for 32-pixel images: width 192, 6 blocks, patches of 4 pixels, the mean of all tokens.
    VitSmall,
}

/// The first layer of a residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// 3x3, stride 1.
    Cifar,
    /// 7x7, stride 2, then 3x3 max pooling of stride 2.
    Imagenet,
}

/// What follows a batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Nothing: in a binary network the next sign is the nonlinearity.
    None,
    /// max(x, 0).
    Relu,
    /// One learned slope a channel.
    Prelu,
    /// clamp(x, -1, 1).
    Hardtanh,
    /// ReActNet's shifted PReLU.
    Rprelu,
    /// A learned slope a channel over 0, and one below (ReCU, AdaBin).
    Maxout,
    /// x Φ(x).
    Gelu,
    /// x σ(1.702 x) (CLIP).
    QuickGelu,
}

/// Shortcuts of a basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// One around both convolutions (He et al.).
    Single,
    /// One around each convolution (Bi-Real Net).
    Double,
}

/// The shortcut where a block changes the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Every second pixel, zeros for the new channels; no parameters.
    OptionA,
    /// 2x2 average pooling, zeros for the new channels; no parameters (ReCU, BiPer).
    PooledOptionA,
    /// 1x1 convolution in float, then batch normalisation.
    Float,
    /// 2x2 average pooling, 1x1 convolution in float, batch normalisation (Bi-Real Net).
    PooledFloat,
    /// 1x1 convolution in float, batch normalisation, 2x2 average pooling (CBCN, RBCN).
    FloatPooled,
    /// 1x1 binary convolution, then batch normalisation.
    Binary,
}

/// How weights start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InitKind {
    /// Convolutions normal with variance 2 / fan-in, the linear layer as PyTorch has it.
    #[default]
    Usual,
    /// All weights normal with variance 2 / fan-in.
    Kaiming,
    /// PyTorch's own: uniform in ± 1 / sqrt(fan-in).
    Framework,
    /// Convolutions normal with variance 2 / fan-out, the linear layer with deviation 0.01 and no bias (VGG).
    FanOut,
    /// Weights of which one bit is used uniform in 0..0.001, so that all bits start as +1 (Bi-Real Net's release), all others as
    /// `framework`.
    Positive,
    /// All weights normal with deviation 0.02, biases 0 (vision transformers).
    Transformer,
}

/// A network's description. It is a `kind`, or a list of layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// Which network; that of `[[net.layer]]` where none is given.
    #[serde(default = "of_layers")]
    pub kind: NetKind,
    /// Binary inner convolutions (the first convolution and the last linear layer stay float; in a multilayer perceptron
    /// only the last layer does).
    /// Of a list of layers: whether its `binary-conv` are, which they are unless this is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<bool>,
    /// Channels of each stage, or of the stem and each stage; the network's own if empty.
    #[serde(default)]
    pub widths: Vec<usize>,
    /// The first layer; `imagenet` suits images of 64 pixels and more.
    #[serde(default)]
    pub stem: Option<Stem>,
    /// Nonlinearity; ReLU in float networks and none in binary ones unless given.
    #[serde(default)]
    pub activation: Option<Activation>,
    /// Nonlinearity of the first layer; in binary networks none unless given, because the sign of a ReLU is constant.
    #[serde(default)]
    pub stem_activation: Option<Activation>,
    /// Normalises the pooled features before the linear layer.
    #[serde(default)]
    pub head_norm: bool,
    /// A linear layer and ReLU between the pooled features and what follows, part of the network (BURN's backbone).
    #[serde(default)]
    pub feature_layer: bool,
    /// The share of the images that lose the last branch of a vision transformer in training, and less of those before
    /// (stochastic depth).
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub drop_path: f32,
    /// The share of the outputs of each hidden layer of a multilayer perceptron that is dropped in training.
    #[serde(default)]
    pub dropout: f32,
    /// How weights start.
    #[serde(default)]
    pub init: InitKind,
    /// Where the factors of batch normalisation start, but for that before the linear layer; 1 unless given.
    #[serde(default)]
    pub bn_gain: Option<f32>,
    /// Shortcuts of basic blocks; single in float networks and double in binary ones unless given.
    #[serde(default)]
    pub skip: Option<Skip>,
    /// The shortcut where a block changes the shape.
    #[serde(default)]
    pub shortcut: Option<Shortcut>,
    /// How the inner convolutions are binarised, if they are.
    #[serde(default)]
    pub binarization: Binarization,
    /// Numbers that formulas of layers know by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, u32>,
    /// The layers, first to last, where it is of no kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "layer::list")]
    #[schemars(with = "Vec<LayerKeys>")]
    pub layer: Vec<Layer>,
    /// How the network is adapted, if it is; decided by the method.
    #[serde(skip)]
    pub adapt: Option<Adapt>,
    /// Decides what is dropped; the recipe's.
    #[serde(skip)]
    pub seed: u64,
}

fn is_nothing(share: &f32) -> bool {
    *share == 0.0
}

fn of_layers() -> NetKind {
    NetKind::Layers
}

impl NetSpec {
    /// The plain description of a network.
    pub fn new(kind: NetKind, binary: bool) -> Self {
        NetSpec {
            kind,
            binary: Some(binary),
            widths: Vec::new(),
            stem: None,
            activation: None,
            stem_activation: None,
            head_norm: false,
            feature_layer: false,
            dropout: 0.0,
            drop_path: 0.0,
            init: InitKind::Usual,
            bn_gain: None,
            skip: None,
            shortcut: None,
            binarization: Binarization::default(),
            vars: BTreeMap::new(),
            layer: Vec::new(),
            adapt: None,
            seed: 0,
        }
    }

    /// Whether inner convolutions are binary: what is said of it, or else whether there are layers that are.
    pub fn is_binary(&self) -> bool {
        self.binary.unwrap_or_else(|| self.layer.iter().any(Layer::has_bits))
    }

    /// Whether any of its layers is attention.
    pub fn has_attention(&self) -> bool {
        Vit::of(self.kind).is_some() || self.layer.iter().any(Layer::attends)
    }

    /// The nonlinearity.
    pub fn activation(&self) -> Activation {
        self.activation.unwrap_or(if self.is_binary() { Activation::None } else { Activation::Relu })
    }

    /// The shortcuts of basic blocks.
    pub fn skip(&self) -> Skip {
        self.skip.unwrap_or(if self.is_binary() { Skip::Double } else { Skip::Single })
    }

    /// The same network, described by its layers.
    ///
    /// # Errors
    /// As [`NetSpec::layers`].
    pub fn as_layers(&self) -> Result<NetSpec> {
        let plain = NetSpec::new(NetKind::Layers, self.is_binary());
        let (init, bn_gain) = (self.init, self.bn_gain);
        let (binarization, vars, layer) = (self.binarization.clone(), self.vars.clone(), self.layers()?);
        let (adapt, seed) = (self.adapt, self.seed);
        Ok(NetSpec { init, bn_gain, binarization, vars, layer, adapt, seed, ..plain })
    }

    /// Widths of stem and stages: the given ones, or `own` (stem first).
    pub(super) fn widths(&self, own: &[usize]) -> Result<Vec<usize>> {
        if self.widths.contains(&0) {
            return Err(Error::Config(format!("net.widths {:?} holds a zero", self.widths)));
        }
        match self.widths.len() {
            0 => Ok(own.to_vec()),
            n if n == own.len() => Ok(self.widths.clone()),
            n if n + 1 == own.len() => Ok([&self.widths[..1], &self.widths].concat()),
            n => Err(Error::Config(format!(
                "net.widths has {n} numbers, {:?} wants {} (stem and stages) or {}",
                self.kind,
                own.len(),
                own.len() - 1
            ))),
        }
    }

    /// The nonlinearity of the first layer.
    pub fn stem_activation(&self) -> Activation {
        self.stem_activation.unwrap_or(if self.is_binary() { Activation::None } else { self.activation() })
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`Error::Config`] naming both sides of what does not go together.
    pub fn validate(&self) -> Result<()> {
        self.validate_layers()?;
        if let Some(gain) = self.bn_gain.filter(|g| !(g.is_finite() && *g != 0.0)) {
            return Err(Error::Config(format!("net.bn_gain = {gain}: give a number that is not 0")));
        }
        if !(0.0..1.0).contains(&self.dropout) || (self.dropout > 0.0 && self.kind != NetKind::Mlp) {
            return Err(Error::Config(format!(
                "net.dropout = {}: give a share from 0 up to, but not, 1, for net.kind = \"mlp\" only",
                self.dropout
            )));
        }
        if !(0.0..1.0).contains(&self.drop_path) || (self.drop_path > 0.0 && Vit::of(self.kind).is_none()) {
            return Err(Error::Config(format!(
                "net.drop_path = {}: give a share from 0 up to, but not, 1, for vision transformers only; of layers say it as \
                 {{ op = \"drop-path\" }}",
                self.drop_path
            )));
        }
        if self.binarization.attention && !(self.is_binary() && Vit::of(self.kind).is_some()) {
            return Err(Error::Config(
                "net.binarization.attention = true: that is for net.kind = \"vit-small\" with net.binary = true; of layers say it as \
                 { op = \"binary-attention\" }"
                    .into(),
            ));
        }
        if self.is_binary() && self.adapt.is_some() {
            return Err(Error::Config(
                "net.binary = true: a network that is adapted by masks is in full precision, its weights are not bits"
                    .into(),
            ));
        }
        if self.is_binary() { self.binarization.validate() } else { Ok(()) }
    }

    /// A list of layers excludes a kind, and what only kinds have.
    fn validate_layers(&self) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        if self.kind != NetKind::Layers {
            return match self.layer.is_empty() && self.vars.is_empty() {
                true => Ok(()),
                false => {
                    fail("net.kind beside net.layer or net.vars: a network is of a kind, or a list of layers".into())
                }
            };
        }
        if self.layer.is_empty() {
            return fail(
                "net.kind is missing: give one (onebit recipes keys net.kind), or the layers ([[net.layer]])".into(),
            );
        }
        for (key, is_given) in [
            ("widths", !self.widths.is_empty()),
            ("stem", self.stem.is_some()),
            ("activation", self.activation.is_some()),
            ("stem_activation", self.stem_activation.is_some()),
            ("head_norm", self.head_norm),
            ("feature_layer", self.feature_layer),
            ("dropout", self.dropout != 0.0),
            ("drop_path", self.drop_path != 0.0),
            ("skip", self.skip.is_some()),
            ("shortcut", self.shortcut.is_some()),
        ] {
            if is_given {
                return fail(format!("net.{key} is for the kinds of networks: of layers, say it in [[net.layer]]"));
            }
        }
        layer::check_vars(&self.vars, &self.layer)
    }

    /// Appends the network to a graph: `x` `[n, h, w, c]` f32 to logits `[n, classes]`. In training
    /// mode the running statistics are updated, unless `gate` (one number) is not 0.
    pub fn build(&self, g: &mut Graph, x: Value, classes: usize, mode: Mode, gate: Option<Value>) -> Result<Value> {
        Ok(self.network(g, x, classes, mode, gate)?.logits)
    }

    /// As [`NetSpec::build`], with everything that methods look at.
    pub fn network(&self, g: &mut Graph, x: Value, classes: usize, mode: Mode, gate: Option<Value>) -> Result<Network> {
        let mut b = Builder::new(g, self, mode, gate)?;
        let logits = layer::assemble(&mut b, &self.layers()?, x, classes).map_err(|e| self.of_kind(e))?;
        Ok(b.finish(logits))
    }

    /// Says of a kind's network which setting made the shortcut that does not fit.
    fn of_kind(&self, e: Error) -> Error {
        match (e, self.shortcut) {
            (Error::Config(m), Some(shortcut)) if self.kind != NetKind::Layers && m.contains("its shortcut") => {
                Error::Config(format!(
                    "{m}: a shortcut of this network (net.shortcut = {shortcut:?}) averages pixels: give images of another size \
                     (data.size), or a residual network the shortcut \"float\""
                ))
            }
            (e, _) => e,
        }
    }

    /// What one image of `[height, width, channels]` costs.
    pub fn count(&self, [h, w, c]: [usize; 3], classes: usize) -> Result<Count> {
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([1, h, w, c]))?;
        Ok(self.network(&mut g, x, classes, Mode::Eval, None)?.count)
    }
}
