//! Vision transformers. Heads are not told by shapes: 64 channels each, as CLIP, DINO and timm's and torchvision's presets have
//! them. Which gelu CLIP's towers have is not told either; whoever takes one says it (`net.activation`).

use super::{Detected, check_widths};
use crate::foreign::Checked;
use crate::foreign::names::Named;
use crate::nn::{Activation, NetKind, NetSpec, Vit};

/// The widest with as many channels a head: the huge ones, from 1280 on, have 80 and more.
const WIDEST_OF_THEM: usize = 1024;
/// Channels of a head.
const OF_A_HEAD: usize = 64;
/// Blocks; the largest published have 48.
const DEEPEST: usize = 256;

pub(super) fn detect(named: &Named) -> Checked<Detected> {
    let (width, patch, channels) = match named.shape("patch.weight") {
        Some(&[d, p, q, c]) if p == q && p > 0 => (d, p, c),
        other => return Err(format!("its patches (in our layout {other:?}) are no [width, size, size, colours]")),
    };
    check_widths(&[width], channels)?;
    if patch > 64 {
        return Err(format!("its patches have {patch} pixels a side; up to 64 are read"));
    }
    let class_token = named.tensors.contains_key("cls_token");
    let tokens = match named.shape("pos_embed") {
        Some(&[t, d]) if d == width && t > usize::from(class_token) => t - usize::from(class_token),
        other => return Err(format!("its position embeddings are {other:?}, not [tokens, {width}]")),
    };
    let grid = tokens.isqrt();
    if grid * grid != tokens || grid > 256 {
        return Err(format!("it has {tokens} patches, which make no square of up to 256x256"));
    }
    let depth = (0..DEEPEST).take_while(|i| named.shape(&format!("blocks.{i}.norm1.weight")).is_some()).count();
    let hidden = match named.shape("blocks.0.mlp.fc1.weight") {
        Some(&[m, 1, 1, d]) if d == width => m,
        other => return Err(format!("the first layer of its first perceptron is {other:?}, not [hidden, {width}]")),
    };
    check_widths(&[hidden], channels)?;
    if !width.is_multiple_of(OF_A_HEAD) || width > WIDEST_OF_THEM {
        return Err(format!(
            "it is {width} channels wide, and how many heads they are is not told (networks of {OF_A_HEAD} channels a head are read, up to {WIDEST_OF_THEM} channels)"
        ));
    }
    let clip = named.tensors.contains_key("norm_pre.weight");
    let vit = Vit { width, depth, heads: width / OF_A_HEAD, hidden, patch, class_token, clip };
    let known = [
        NetKind::VitTi16,
        NetKind::VitS16,
        NetKind::VitB16,
        NetKind::VitB32,
        NetKind::ClipB16,
        NetKind::ClipB32,
        NetKind::VitSmall,
    ];
    let net = match known.into_iter().find(|kind| Vit::of(*kind) == Some(vit)) {
        Some(kind) => NetSpec::new(kind, false),
        None => NetSpec { layer: vit.layers(Activation::Gelu, 0.0), ..NetSpec::new(NetKind::Layers, false) },
    };
    let clip = clip.then_some(vit);
    Ok(Detected { net, classes: named.classes(), channels, side: Some(patch * grid), clip })
}
