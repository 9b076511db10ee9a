//! The ResNet of Hugging Face's `transformers`: an embedder, stages of layers of layers, a classifier behind a `Flatten`.

use super::{Taken, block_number, of_norm, same};

pub(super) fn our_name(name: &str) -> Option<(String, Taken)> {
    match name {
        "classifier.1.weight" => return same("fc.weight"),
        "classifier.1.bias" => return same("fc.bias"),
        _ => {}
    }
    if let Some(layer) = name.strip_prefix("embedder.embedder.") {
        return of_layer(layer, "conv1", "bn1");
    }
    let (stage, rest) = name.strip_prefix("encoder.").unwrap_or(name).strip_prefix("stages.")?.split_once('.')?;
    let (block, rest) = rest.strip_prefix("layers.")?.split_once('.')?;
    let (stage, block) = (block_number(stage).filter(|s| *s < 4)? + 1, block_number(block)?);
    let (our, taken) = match rest.strip_prefix("shortcut.") {
        Some(layer) => of_layer(layer, "downsample.0", "downsample.1"),
        None => {
            let (i, layer) = rest.strip_prefix("layer.")?.split_once('.')?;
            let i = block_number(i).filter(|i| *i < 3)? + 1;
            of_layer(layer, &format!("conv{i}"), &format!("bn{i}"))
        }
    }?;
    Some((format!("layer{stage}.{block}.{our}"), taken))
}

/// A convolution and its normalisation.
fn of_layer(layer: &str, conv: &str, norm: &str) -> Option<(String, Taken)> {
    match layer.split_once('.')? {
        ("convolution", "weight") => same(format!("{conv}.weight")),
        ("normalization", leaf) if of_norm(leaf) => same(format!("{norm}.{leaf}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_layers_are_counted_from_one() {
        for (theirs, our) in [
            ("embedder.embedder.convolution.weight", Some("conv1.weight")),
            ("embedder.embedder.normalization.bias", Some("bn1.bias")),
            ("encoder.stages.0.layers.1.layer.2.convolution.weight", Some("layer1.1.conv3.weight")),
            ("stages.3.layers.0.shortcut.normalization.running_var", Some("layer4.0.downsample.1.running_var")),
            ("classifier.1.bias", Some("fc.bias")),
            ("classifier.0.bias", None),
            ("stages.4.layers.0.layer.0.convolution.weight", None),
            ("stages.0.layers.0.layer.0.attention.weight", None),
        ] {
            assert_eq!(our_name(theirs).map(|(name, _)| name).as_deref(), our, "{theirs}");
        }
    }
}
