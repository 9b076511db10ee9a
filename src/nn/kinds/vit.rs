//! Vision transformers (Dosovitskiy et al. 2021): patches as tokens, pre-norm blocks. CLIP's image towers (Radford et al. 2021)
//! are the same with a normalisation before the first block and no bias of patches.

use super::{activation, block, global_avg_pool, residual};
use crate::error::{Error, Result};
use crate::nn::layer::{Layer, LayerKind};
use crate::nn::spec::{Activation, NetKind, NetSpec};

/// What tells the kinds apart.
struct Layout {
    width: usize,
    depth: usize,
    heads: usize,
    /// Width of the hidden layers, in widths.
    ratio: usize,
    patch: usize,
    /// Whether a class token is read, or the mean of all tokens.
    class_token: bool,
    clip: bool,
}

fn layout(kind: NetKind) -> Option<Layout> {
    let of_imagenet =
        |width, patch, clip| Layout { width, depth: 12, heads: width / 64, ratio: 4, patch, class_token: true, clip };
    Some(match kind {
        NetKind::VitTi16 => of_imagenet(192, 16, false),
        NetKind::VitS16 => of_imagenet(384, 16, false),
        NetKind::VitB16 => of_imagenet(768, 16, false),
        NetKind::VitB32 => of_imagenet(768, 32, false),
        NetKind::ClipB16 => of_imagenet(768, 16, true),
        NetKind::ClipB32 => of_imagenet(768, 32, true),
        NetKind::VitSmall => {
            Layout { width: 192, depth: 6, heads: 3, ratio: 2, patch: 4, class_token: false, clip: false }
        }
        _ => return None,
    })
}

/// Whether a kind is a vision transformer.
pub(in crate::nn) fn is_vit(kind: NetKind) -> bool {
    layout(kind).is_some()
}

pub(super) fn layers(spec: &NetSpec) -> Result<Vec<Layer>> {
    let Layout { width, depth, heads, ratio, patch, class_token, clip } =
        layout(spec.kind).expect("a vision transformer");
    let width = match spec.widths[..] {
        [] => width,
        [width] if width > 0 && width.is_multiple_of(heads) => width,
        _ => {
            let what =
                format!("net.widths = {:?}: of a vision transformer give one, which {heads} heads divide", spec.widths);
            return Err(Error::Config(what));
        }
    };
    if spec.is_binary() {
        return Err(Error::Config(
            "net.binary = true: vision transformers are in full precision; write one of { op = \"binary-conv\", kernel = 1 } and \
             { op = \"attention\" } ([[net.layer]])"
                .into(),
        ));
    }
    let nonlinearity = match (spec.activation, clip) {
        (Some(given), _) => given,
        (None, false) => Activation::Gelu,
        (None, true) => {
            return Err(Error::Config(
                "net.activation is missing: OpenAI's networks of this kind have \"quick-gelu\", others \"gelu\", and their files do \
                 not tell which"
                    .into(),
            ));
        }
    };
    let eps = if clip { 1e-5 } else { 1e-6 };
    let norm = |name: &str| Layer::new(LayerKind::LayerNorm { eps }).named(name);
    let patches = LayerKind::Conv {
        width: width.into(),
        kernel: patch,
        stride: patch.into(),
        padding: Some(0),
        dilation: 1.into(),
        groups: 1.into(),
        bias: !clip,
    };
    let mut layers = vec![Layer::new(patches).named("patch")];
    if class_token {
        layers.push(Layer::new(LayerKind::ClassToken {}).named("cls_token"));
    }
    layers.push(Layer::new(LayerKind::Position {}).named("pos_embed"));
    layers.extend(clip.then(|| norm("norm_pre")));
    let blocks = (0..depth).map(|i| {
        // None in the first block, all of it in the last.
        let share = spec.drop_path * i as f32 / (depth - 1).max(1) as f32;
        let mut attended = vec![norm("norm1"), attention(width, heads)];
        attended.extend(drop_path(share));
        let mut hidden = vec![token_linear("fc1", ratio * width)];
        hidden.extend(activation(nonlinearity, "act"));
        hidden.push(token_linear("fc2", width));
        let mut perceptron = vec![norm("norm2"), block("mlp", hidden)];
        perceptron.extend(drop_path(share));
        block(i.to_string(), vec![residual(attended, vec![], false), residual(perceptron, vec![], i + 1 == depth)])
    });
    layers.push(block("blocks", blocks.collect()));
    layers.push(if class_token { Layer::new(LayerKind::TakeClassToken {}) } else { global_avg_pool() });
    layers.push(norm("norm"));
    Ok(layers)
}

fn drop_path(share: f32) -> Option<Layer> {
    (share > 0.0).then(|| Layer::new(LayerKind::DropPath { share }))
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
