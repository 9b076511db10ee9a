//! Vision transformers of other libraries against their own answers on every device, and what is refused of them.

use crate::foreign::{golden, release_answers_as_pytorch};
use onebit::foreign::load;
use onebit::nn::{LayerKind, NetKind};
use safetensors::SafeTensors;
use serde_json::json;
use std::fs;
use tempfile::TempDir;

const ANSWERS: &str = "expected_vit.safetensors";

/// How many layers of a kind a network has.
fn count(layers: &[onebit::nn::Layer], is: &dyn Fn(&LayerKind) -> bool) -> usize {
    let inner = |l: &onebit::nn::Layer| l.op.bodies().into_iter().map(|body| count(body, is)).sum::<usize>();
    layers.iter().map(|l| usize::from(is(&l.op)) + inner(l)).sum()
}

#[test]
fn vision_transformers_equal_the_libraries_that_name_them() {
    for (file, name, classes, has_token) in [
        ("timm-vit.safetensors", "timm-vit", 5, true),
        ("timm-vit-avg.safetensors", "timm-vit-avg", 5, false),
        ("torchvision-vit.pth", "torchvision-vit", 5, true),
        ("hf-clip", "hf-clip", 6, true),
    ] {
        let made = release_answers_as_pytorch(file, name, ANSWERS, "images");
        assert_eq!((made.net.kind, made.classes, made.images), (NetKind::Layers, classes, Some([32, 32, 3])), "{file}");
        assert_eq!(
            count(&made.net.layer, &|op| matches!(op, LayerKind::ClassToken {})),
            usize::from(has_token),
            "{file}"
        );
        assert!(made.ignored.is_empty(), "{:?}", made.ignored);
    }
}

#[test]
fn which_gelu_clip_has_is_said_beside_it_or_refused() {
    let alone = load(&golden("openclip-vit.pt")).unwrap_err().to_string();
    assert!(alone.contains("openclip-vit.pt") && alone.contains("nothing beside this one tells which"), "{alone}");
    let folder = TempDir::new().unwrap();
    let config = |value: serde_json::Value| fs::write(folder.path().join("config.json"), value.to_string()).unwrap();
    fs::copy(golden("openclip-vit.pt"), folder.path().join("pytorch_model.bin")).unwrap();
    config(json!({"model_type": "clip", "vision_config": {"hidden_act": "gelu"}}));
    let path = folder.path().to_str().unwrap();
    let made = release_answers_as_pytorch(path, "openclip-vit", ANSWERS, "images");
    assert_eq!(count(&made.net.layer, &|op| matches!(op, LayerKind::QuickGelu {})), 0);
    assert_eq!(count(&made.net.layer, &|op| matches!(op, LayerKind::Gelu {})), 1);
    let mut left = made.ignored;
    left.sort();
    assert_eq!(left, ["logit_scale", "positional_embedding", "text_projection", "transformer"]);
    config(json!({"model_type": "clip", "vision_config": {"hidden_size": 64, "num_attention_heads": 4}}));
    assert!(load(folder.path()).unwrap_err().to_string().contains("4 heads of 64 channels"));
    config(json!({"model_type": "clip", "vision_config": {"hidden_act": "relu"}}));
    assert!(load(folder.path()).unwrap_err().to_string().contains("hidden_act is \"relu\""));
    config(json!({"model_type": "clip", "vision_config": {"hidden_act": "gelu", "layer_norm_eps": 1e-6}}));
    assert!(load(folder.path()).unwrap_err().to_string().contains("layer_norm_eps is 0.000001"));
}

/// timm's networks with a class token that nobody reads, and those with other heads: the same tensors but for a name or a width.
#[test]
fn what_is_another_network_of_such_tensors_is_refused() {
    let bytes = fs::read(golden("timm-vit.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let renamed = |name: &str| name.replace("norm.weight", "fc_norm.weight").replace("norm.bias", "fc_norm.bias");
    let tensors =
        file.tensors().into_iter().map(|(name, t)| (if name.starts_with("norm.") { renamed(&name) } else { name }, t));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mean.safetensors");
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
    let m = load(&path).unwrap_err().to_string();
    assert!(m.contains("fc_norm.weight") && m.contains("norm.weight [64]"), "{m}");
}
