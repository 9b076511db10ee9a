//! Vision transformers as timm and DINO, torchvision, OpenAI and open_clip, and Hugging Face's transformers (CLIP) name
//! them. Ours are timm's, but for queries, keys and values, which are apart, and for the last layer, `fc`.

use super::{Found, Named, Taken, block_number, same};
use crate::nn::Resampling;

/// What the names of each have that those of no other network do.
pub(super) fn is_vit(name: &str) -> bool {
    ["patch_embed.proj.weight", "conv_proj.weight", "visual.class_embedding", "vision_model.embeddings.class_embedding"]
        .contains(&name)
        || name == "class_embedding"
}

/// Whether an image tower has a name of its own, so that the rest is another tower.
pub(super) fn is_of_a_tower(name: &str) -> bool {
    TOWERS.iter().any(|tower| name.starts_with(tower))
}

const TOWERS: [&str; 2] = ["visual.", "vision_model."];

/// What lies beside CLIP's image tower: its tower of texts, and numbers of its archive.
pub(super) fn is_of_texts(name: &str) -> bool {
    let prefixes = ["transformer.", "token_embedding.", "ln_final.", "text_model.", "text_projection", "text."];
    let whole =
        ["positional_embedding", "logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size"];
    prefixes.iter().any(|p| name.starts_with(p)) || whole.contains(&name) || name.ends_with("position_ids")
}

/// How the library that calls embeddings of places so resamples them for other images.
pub(in crate::foreign) fn resampling(theirs: &str) -> Resampling {
    match theirs.rsplit('.').next() {
        // open_clip's, and timm's, whose names DINO has too.
        Some("positional_embedding" | "pos_embed") => Resampling::Smoothed,
        Some("pos_embedding") => Resampling::Aligned,
        _ => Resampling::Plain,
    }
}

pub(super) fn our_name(name: &str) -> Option<(String, Taken)> {
    let tower = TOWERS.iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    if let Some(our) = outside(tower) {
        return same(our);
    }
    if matches!(tower, "proj" | "visual.proj") {
        return Some(("fc.weight".into(), Taken::Transposed));
    }
    let block = ["blocks.", "transformer.resblocks.", "encoder.layers.encoder_layer_", "layers.encoder_layer_"];
    let block = block.iter().chain(&["encoder.layers.", "layers."]);
    let (i, leaf) = block.clone().find_map(|p| tower.strip_prefix(p))?.split_once('.')?;
    let i = block_number(i)?;
    let (layer, leaf) = leaf.rsplit_once('.').map(|(layer, leaf)| match leaf {
        "in_proj_weight" => (format!("{layer}.in_proj"), "weight"),
        "in_proj_bias" => (format!("{layer}.in_proj"), "bias"),
        _ => (layer.to_string(), leaf),
    })?;
    if !matches!(leaf, "weight" | "bias") {
        return None;
    }
    let our = match layer.as_str() {
        "norm1" | "ln_1" | "layer_norm1" => "norm1",
        "norm2" | "ln_2" | "layer_norm2" => "norm2",
        // Rows of queries, keys and values, taken apart once all names are known.
        "attn.qkv" | "attn.in_proj" | "self_attention.in_proj" => "attn.qkv",
        "self_attn.q_proj" => "attn.q",
        "self_attn.k_proj" => "attn.k",
        "self_attn.v_proj" => "attn.v",
        "attn.proj" | "attn.out_proj" | "self_attention.out_proj" | "self_attn.out_proj" => "attn.out",
        "mlp.fc1" | "mlp.c_fc" | "mlp.0" | "mlp.linear_1" => "mlp.fc1",
        "mlp.fc2" | "mlp.c_proj" | "mlp.3" | "mlp.linear_2" => "mlp.fc2",
        _ => return None,
    };
    same(format!("blocks.{i}.{our}.{leaf}"))
}

/// What stands before and behind the blocks.
fn outside(name: &str) -> Option<&'static str> {
    Some(match name {
        "patch_embed.proj.weight" | "conv_proj.weight" | "conv1.weight" => "patch.weight",
        "embeddings.patch_embedding.weight" => "patch.weight",
        "patch_embed.proj.bias" | "conv_proj.bias" => "patch.bias",
        "cls_token" | "class_token" | "class_embedding" => "cls_token",
        "embeddings.class_embedding" => "cls_token",
        "pos_embed" | "encoder.pos_embedding" | "pos_embedding" | "positional_embedding" => "pos_embed",
        "embeddings.position_embedding.weight" => "pos_embed",
        "norm_pre.weight" | "ln_pre.weight" | "pre_layrnorm.weight" => "norm_pre.weight",
        "norm_pre.bias" | "ln_pre.bias" | "pre_layrnorm.bias" => "norm_pre.bias",
        "norm.weight" | "ln_post.weight" | "encoder.ln.weight" | "ln.weight" => "norm.weight",
        "post_layernorm.weight" => "norm.weight",
        "norm.bias" | "ln_post.bias" | "encoder.ln.bias" | "ln.bias" => "norm.bias",
        "post_layernorm.bias" => "norm.bias",
        // Of the mean of all patches.
        "fc_norm.weight" => "fc_norm.weight",
        "fc_norm.bias" => "fc_norm.bias",
        "head.weight" | "heads.head.weight" | "visual_projection.weight" => "fc.weight",
        "head.bias" | "heads.head.bias" => "fc.bias",
        _ => return None,
    })
}

/// Takes queries, keys and values apart, and gives all tensors the shapes of our layers.
pub(super) fn complete(named: &mut Named) {
    let packed: Vec<String> = named.tensors.keys().filter(|n| n.contains(".attn.qkv.")).cloned().collect();
    for name in packed {
        let Some(found) = named.tensors.remove(&name) else { continue };
        let mut shape = found.shape.clone();
        match shape.first_mut() {
            Some(rows) if rows.is_multiple_of(3) => *rows /= 3,
            _ => {
                named.unmatched.push(found.theirs);
                continue;
            }
        }
        for (part, of) in ["q", "k", "v"].iter().enumerate() {
            let our = name.replace(".attn.qkv.", &format!(".attn.{of}."));
            let one = Found { shape: shape.clone(), taken: Taken::Third(part), ..found.clone() };
            if let Some(other) = named.tensors.insert(our, one) {
                named.unmatched.push(other.theirs);
            }
        }
    }
    // Beside a class token that is not read, it has no place: that is another network.
    if !named.tensors.contains_key("cls_token") {
        for leaf in ["weight", "bias"] {
            if let Some(found) = named.tensors.remove(&format!("fc_norm.{leaf}")) {
                named.tensors.insert(format!("norm.{leaf}"), found);
            }
        }
    }
    // CLIP's projection adds nothing.
    if let Some(fc) = named.tensors.get("fc.weight").filter(|_| !named.tensors.contains_key("fc.bias"))
        && let Some(outputs) = fc.shape.get(usize::from(fc.taken == Taken::Transposed))
    {
        let bias = Found { shape: vec![*outputs], taken: Taken::Zeros, ..fc.clone() };
        named.tensors.insert("fc.bias".into(), bias);
    }
    for (name, found) in &mut named.tensors {
        match (name.as_str(), &found.shape[..]) {
            ("cls_token", [1, 1, d]) => found.shape = vec![*d],
            ("pos_embed", [1, t, d]) => found.shape = vec![*t, *d],
            ("fc.weight", [d, e]) if found.taken == Taken::Transposed => found.shape = vec![*e, *d],
            (name, [o, i]) if name.starts_with("blocks.") => found.shape = vec![*o, 1, 1, *i],
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_s_names_become_ours() {
        for (theirs, our) in [
            ("patch_embed.proj.bias", Some("patch.bias")),
            ("visual.conv1.weight", Some("patch.weight")),
            ("vision_model.pre_layrnorm.weight", Some("norm_pre.weight")),
            ("blocks.11.attn.qkv.bias", Some("blocks.11.attn.qkv.bias")),
            ("visual.transformer.resblocks.3.attn.in_proj_weight", Some("blocks.3.attn.qkv.weight")),
            ("encoder.layers.encoder_layer_7.self_attention.in_proj_bias", Some("blocks.7.attn.qkv.bias")),
            ("encoder.layers.encoder_layer_7.mlp.linear_2.weight", Some("blocks.7.mlp.fc2.weight")),
            ("vision_model.encoder.layers.0.self_attn.k_proj.bias", Some("blocks.0.attn.k.bias")),
            // Of an `encoder.` that was taken for a wrapper's.
            ("layers.encoder_layer_2.self_attention.out_proj.bias", Some("blocks.2.attn.out.bias")),
            ("visual.proj", Some("fc.weight")),
            ("heads.head.bias", Some("fc.bias")),
            ("blocks.0.ls1.gamma", None),
            ("blocks.01.norm1.weight", None),
        ] {
            assert_eq!(our_name(theirs).map(|(name, _)| name).as_deref(), our, "{theirs}");
        }
        assert!(
            is_of_texts("transformer.resblocks.0.ln_1.weight")
                && !is_of_texts("visual.transformer.resblocks.0.ln_1.weight")
        );
    }
}
