//! Vision transformers (Dosovitskiy et al. 2021): patches as tokens, pre-norm blocks. CLIP's image towers (Radford et al. 2021)
//! are the same with a normalisation before the first block and no bias of patches.

use super::{activation, batch_norm, block, global_avg_pool, inner_conv, residual};
use crate::error::{Error, Result};
use crate::nn::layer::{Layer, LayerKind, Names};
use crate::nn::spec::{Activation, NetKind, NetSpec};

/// A vision transformer by its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vit {
    /// Channels of a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Channels of the hidden layers.
    pub hidden: usize,
    /// Pixels of a patch, a side.
    pub patch: usize,
    /// Whether a class token is read, or the mean of all tokens.
    pub class_token: bool,
    /// Whether it is normalised before the first block too, and its patches have no bias.
    pub clip: bool,
}

impl Vit {
    /// That of a kind of network, if it is one.
    pub fn of(kind: NetKind) -> Option<Vit> {
        let of_imagenet = |width: usize, patch, clip| Vit {
            width,
            depth: 12,
            heads: width / 64,
            hidden: 4 * width,
            patch,
            class_token: true,
            clip,
        };
        Some(match kind {
            NetKind::VitTi16 => of_imagenet(192, 16, false),
            NetKind::VitS16 => of_imagenet(384, 16, false),
            NetKind::VitB16 => of_imagenet(768, 16, false),
            NetKind::VitB32 => of_imagenet(768, 32, false),
            NetKind::ClipB16 => of_imagenet(768, 16, true),
            NetKind::ClipB32 => of_imagenet(768, 32, true),
            NetKind::VitSmall => {
                Vit { width: 192, depth: 6, heads: 3, hidden: 384, patch: 4, class_token: false, clip: false }
            }
            _ => return None,
        })
    }

    /// Its layers, that of classes included. In training a share `drop_path` of the images loses the last branch, and less of
    /// those before.
    pub fn layers(&self, nonlinearity: Activation, drop_path: f32) -> Vec<Layer> {
        let mut layers = self.body(nonlinearity, drop_path);
        layers.push(Layer::new(LayerKind::Classifier {}).named("fc"));
        layers
    }

    /// Its layers with linear layers of bits: the block of BinaryViT (as released; Le and Li 2023), every linear layer of which
    /// has a shortcut of its own, without that release's pyramid and its means over neighbouring tokens. With `bits`, attention is of
    /// bits too.
    ///
    /// ```text
    /// h = BN(z),  u_q = act(BN(q h) + h),  likewise u_k and u_v,  c = act(BN(attention) + u_q + u_k + u_v)
    /// z += scale act(BN(out c) + c)
    /// h = BN(z),  u = act(BN(fc1 h) + [h, ..., h]),  z += scale act(BN(fc2 u) + means of neighbouring channels of u)
    /// ```
    fn of_bits(&self, nonlinearity: Activation, drop_path: f32, bits: bool) -> Vec<Layer> {
        let Vit { width, depth, heads, hidden, patch, .. } = *self;
        let times = hidden / width;
        let of = |name: &str, width: usize, shortcut: Vec<Layer>| {
            let body = vec![inner_conv("linear", width, 1, 1), batch_norm("bn")];
            let mut layers = vec![residual(body, shortcut, false)];
            layers.extend(activation(nonlinearity, "act"));
            block(name, layers)
        };
        let given = |name: &str| Layer { from: Some("in".into()), ..of(name, width, vec![]) };
        let (key, value) = ("k".into(), "v".into());
        let attends = match bits {
            true => LayerKind::BinaryAttention { heads, key, value },
            false => LayerKind::Attention { heads, key, value },
        };
        let mut attention = vec![
            given("q"),
            given("k"),
            given("v"),
            Layer { from: Some("q".into()), ..Layer::new(attends).named("attends") },
            batch_norm("bn"),
            Layer::new(LayerKind::Add { with: Names::Several(["q", "k", "v"].map(String::from).to_vec()) }),
        ];
        attention.extend(activation(nonlinearity, "act"));
        attention.push(of("out", width, vec![]));
        let repeated = LayerKind::Concat { with: Names::Several(vec!["in".into(); times - 1]) };
        let repeated = if times > 1 { vec![Layer::new(repeated)] } else { vec![] };
        let means = LayerKind::MeanChannels { of: times.into() };
        let means = if times > 1 { vec![Layer::new(means)] } else { vec![] };
        let perceptron = vec![of("fc1", hidden, repeated), of("fc2", width, means)];
        let blocks = (0..depth).map(|i| {
            let share = drop_path * i as f32 / (depth - 1).max(1) as f32;
            let branch = |n: usize, name: &str, body: &[Layer]| {
                let scale = Layer::new(LayerKind::LayerScale { start: 0.1 }).named(format!("scale{n}"));
                let mut layers = vec![batch_norm(&format!("norm{n}")), block(name, body.to_vec()), scale];
                layers.extend(self::drop_path(share, &format!("drop{n}")));
                layers
            };
            let attended = residual(branch(1, "attn", &attention), vec![], false);
            let processed = residual(branch(2, "mlp", &perceptron), vec![], i + 1 == depth);
            block(i.to_string(), vec![attended, processed])
        });
        vec![
            patches(width, patch, true),
            Layer::new(LayerKind::Position {}).named("pos_embed"),
            block("blocks", blocks.collect()),
            global_avg_pool(),
            batch_norm("norm"),
        ]
    }

    fn body(&self, nonlinearity: Activation, drop_path: f32) -> Vec<Layer> {
        let Vit { width, depth, heads, hidden, patch, class_token, clip } = *self;
        let eps = if clip { 1e-5 } else { 1e-6 };
        let norm = |name: &str| Layer::new(LayerKind::LayerNorm { eps }).named(name);
        let mut layers = vec![patches(width, patch, !clip)];
        if class_token {
            layers.push(Layer::new(LayerKind::ClassToken {}).named("cls_token"));
        }
        layers.push(Layer::new(LayerKind::Position {}).named("pos_embed"));
        layers.extend(clip.then(|| norm("norm_pre")));
        let blocks = (0..depth).map(|i| {
            // None in the first block, all of it in the last.
            let share = drop_path * i as f32 / (depth - 1).max(1) as f32;
            let mut attended = vec![norm("norm1"), attention(width, heads)];
            attended.extend(self::drop_path(share, "drop1"));
            let mut perceptron = vec![token_linear("fc1", hidden)];
            perceptron.extend(activation(nonlinearity, "act"));
            perceptron.push(token_linear("fc2", width));
            let mut processed = vec![norm("norm2"), block("mlp", perceptron)];
            processed.extend(self::drop_path(share, "drop2"));
            block(i.to_string(), vec![residual(attended, vec![], false), residual(processed, vec![], i + 1 == depth)])
        });
        layers.push(block("blocks", blocks.collect()));
        layers.push(if class_token { Layer::new(LayerKind::TakeClassToken {}) } else { global_avg_pool() });
        layers.push(norm("norm"));
        layers
    }
}

pub(super) fn layers(spec: &NetSpec, vit: Vit) -> Result<Vec<Layer>> {
    let vit = match spec.widths[..] {
        [] => vit,
        [width] if width > 0 && width.is_multiple_of(vit.heads) => {
            Vit { width, hidden: vit.hidden / vit.width * width, ..vit }
        }
        _ => {
            return Err(Error::Config(format!(
                "net.widths = {:?}: of a vision transformer give one, which its {} heads divide",
                spec.widths, vit.heads
            )));
        }
    };
    if spec.is_binary() {
        if vit.clip || vit.class_token {
            return Err(Error::Config(
                "net.binary = true: of vision transformers vit-small alone is made of bits, others read a class token; write one of \
                 { op = \"binary-conv\", kernel = 1 } and { op = \"attention\" } ([[net.layer]])"
                    .into(),
            ));
        }
        return Ok(vit.of_bits(
            spec.activation.unwrap_or(Activation::Rprelu),
            spec.drop_path,
            spec.binarization.attention,
        ));
    }
    match (spec.activation, vit.clip) {
        (Some(given), _) => Ok(vit.body(given, spec.drop_path)),
        (None, false) => Ok(vit.body(Activation::Gelu, spec.drop_path)),
        (None, true) => Err(Error::Config(
            "net.activation is missing: OpenAI's networks of this kind have \"quick-gelu\", others \"gelu\", and their files do not \
             tell which"
                .into(),
        )),
    }
}

/// A linear layer on each patch.
fn patches(width: usize, patch: usize, bias: bool) -> Layer {
    let (dilation, groups) = (1.into(), 1.into());
    let (kernel, stride, padding) = (patch, patch.into(), Some(0));
    Layer::new(LayerKind::Conv { width: width.into(), kernel, stride, padding, dilation, groups, bias }).named("patch")
}

fn drop_path(share: f32, name: &str) -> Option<Layer> {
    (share > 0.0).then(|| Layer::new(LayerKind::DropPath { share }).named(name))
}

/// A linear layer on each token.
fn token_linear(name: &str, width: usize) -> Layer {
    let (stride, dilation, groups) = (1.into(), 1.into(), 1.into());
    let op = LayerKind::Conv { width: width.into(), kernel: 1, stride, padding: None, dilation, groups, bias: true };
    Layer::new(op).named(name)
}

fn attention(width: usize, heads: usize) -> Layer {
    let given = |name: &str| Layer { from: Some("in".into()), ..token_linear(name, width) };
    let attends = LayerKind::Attention { heads, key: "k".into(), value: "v".into() };
    let attends = Layer { from: Some("q".into()), ..Layer::new(attends) };
    block("attn", vec![given("q"), given("k"), given("v"), attends, token_linear("out", width)])
}
