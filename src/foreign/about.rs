//! What a folder of Hugging Face says beside its weights: in `config.json` what the network is and what its classes are called, there
//! or in `preprocessor_config.json` how images are normalised. What would make another network of the same tensors is refused by name.

use super::Checked;
use crate::error::{Error, Result};
use crate::nn::{Activation, NetKind};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Bytes of such a file: names of 20,000 classes have 2 MB.
const LONGEST: u64 = 16 << 20;

/// What is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct About {
    /// Names of the classes in the order of the outputs; none if they are only numbered.
    pub(super) labels: Vec<String>,
    /// Mean and standard deviation of each channel of pixels from 0 to 1.
    pub(super) stats: Option<[Vec<f32>; 2]>,
    /// To how many pixels the shorter side of an image is scaled, and how many of the middle are taken.
    pub(super) sizes: Option<[usize; 2]>,
    /// The nonlinearity of CLIP's networks.
    pub(super) activation: Option<Activation>,
    /// Whether blocks are bottlenecks.
    bottleneck: Option<bool>,
}

/// The files of a folder that say something, if they are there.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    ["config.json", "preprocessor_config.json"]
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_file())
        .collect()
}

/// Reads them.
///
/// # Errors
/// If one is no JSON, or says that the network is one that is not read.
pub(super) fn read(folder: &Path) -> Result<About> {
    let mut about = About::default();
    for path in files(folder) {
        let fail = |m: String| Error::data(&path, m);
        let length = std::fs::metadata(&path).map_err(Error::io(&path, "read"))?.len();
        if length > LONGEST {
            return Err(fail(format!("it has {length} bytes; up to {LONGEST} are read")));
        }
        let text = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let config: Value = serde_json::from_slice(&text).map_err(|e| fail(format!("it is no JSON: {e}")))?;
        match path.ends_with("config.json") {
            true => about.config(&config),
            false => about.preprocessor(&config),
        }
        .map_err(fail)?;
    }
    Ok(about)
}

impl About {
    fn config(&mut self, config: &Value) -> Checked<()> {
        if let Some(architecture) = text(config, "architecture") {
            return self.timm(architecture, config);
        }
        match text(config, "model_type") {
            None => Ok(()),
            Some("resnet") => self.transformers(config),
            Some("clip") => self.clip(config.get("vision_config").unwrap_or(&Value::Null)),
            Some("clip_vision_model") => self.clip(config),
            Some(other) => Err(format!(
                "its model_type is {other:?}: of the networks of transformers \"resnet\", \"clip\" and \"clip_vision_model\" are read"
            )),
        }
    }

    /// A network of the library transformers.
    fn transformers(&mut self, config: &Value) -> Checked<()> {
        if let Some(other) = text(config, "hidden_act").filter(|act| *act != "relu") {
            return Err(format!("its hidden_act is {other:?}: residual networks with \"relu\" are read"));
        }
        for (key, instead) in [
            ("downsample_in_bottleneck", "whose bottlenecks have their stride at the 3x3 convolution"),
            ("downsample_in_first_stage", "whose first stage keeps height and width"),
        ] {
            if config.get(key) == Some(&Value::Bool(true)) {
                return Err(format!("its {key} is true: networks are read {instead} (false)"));
            }
        }
        self.bottleneck = match text(config, "layer_type") {
            None => None,
            Some("basic") => Some(false),
            Some("bottleneck") => Some(true),
            Some(other) => return Err(format!("its layer_type is {other:?}: \"basic\" and \"bottleneck\" are read")),
        };
        let Some(names) = config.get("id2label").and_then(Value::as_object) else { return Ok(()) };
        let numbered = |i: usize| names.get(&i.to_string())?.as_str().map(str::to_string);
        let labels: Option<Vec<String>> = (0..names.len()).map(numbered).collect();
        let labels = labels.ok_or("its id2label is no list of names by the numbers from 0 on")?;
        // What the library calls classes that nobody named.
        let named = labels.iter().enumerate().any(|(i, label)| *label != format!("LABEL_{i}"));
        self.labels = if named { labels } else { Vec::new() };
        Ok(())
    }

    /// CLIP's image tower of the library transformers.
    fn clip(&mut self, config: &Value) -> Checked<()> {
        self.activation = match text(config, "hidden_act").unwrap_or("quick_gelu") {
            "quick_gelu" => Some(Activation::QuickGelu),
            "gelu" => Some(Activation::Gelu),
            other => return Err(format!("its hidden_act is {other:?}: \"quick_gelu\" and \"gelu\" are read")),
        };
        let number = |key: &str| config.get(key).and_then(Value::as_u64);
        if let (Some(width), Some(heads)) = (number("hidden_size"), number("num_attention_heads"))
            && heads.checked_mul(64) != Some(width)
        {
            return Err(format!("it has {heads} heads of {width} channels: networks of 64 channels a head are read"));
        }
        match config.get("layer_norm_eps").and_then(Value::as_f64) {
            Some(eps) if (eps / 1e-5 - 1.0).abs() > 1e-6 => {
                Err(format!("its layer_norm_eps is {eps}: CLIP's networks have 1e-5"))
            }
            _ => Ok(()),
        }
    }

    /// A network of the library timm.
    fn timm(&mut self, architecture: &str, config: &Value) -> Checked<()> {
        let (network, _) = architecture.split_once('.').unwrap_or((architecture, ""));
        let plain = ["tv_", "ssl_", "swsl_", "gluon_"].iter().find_map(|p| network.strip_prefix(p)).unwrap_or(network);
        if !["resnet18", "resnet34", "resnet50"].contains(&plain.trim_end_matches("_v1b")) {
            return Err(format!(
                "its architecture is {architecture:?}: of timm resnet18, resnet34 and resnet50 are read, whose relatives have the \
                 same tensors and are other networks"
            ));
        }
        let harmless = |key: &str| matches!(key, "num_classes" | "in_chans" | "drop_rate" | "drop_path_rate");
        if let Some(arguments) = config.get("model_args").and_then(Value::as_object)
            && let Some(key) = arguments.keys().find(|key| !harmless(key))
        {
            return Err(format!("its model_args have {key:?}, which makes another network of the same tensors"));
        }
        if let Some(names) = config.get("label_names").and_then(Value::as_array) {
            self.labels = names.iter().filter_map(Value::as_str).map(str::to_string).collect();
        }
        let pretrained = config.get("pretrained_cfg").unwrap_or(config);
        self.stats = stats(pretrained, "mean", "std")?;
        if let Some(size) = pretrained.get("input_size") {
            let square = size.as_array().filter(|s| s.len() == 3 && s[1] == s[2]).and_then(|s| pixels(&s[1]));
            let taken = square.ok_or_else(|| format!("its input_size {size} is no [channels, size, size]"))?;
            self.sizes = Some([scaled(taken, share(pretrained, 0.875)?), taken]);
        }
        Ok(())
    }

    fn preprocessor(&mut self, config: &Value) -> Checked<()> {
        let off = |key: &str| config.get(key) == Some(&Value::Bool(false));
        if off("do_rescale") {
            return Err("its do_rescale is false: networks are read that take pixels from 0 to 1, normalised".into());
        }
        if let Some(factor) = config.get("rescale_factor").and_then(Value::as_f64)
            && (factor * 255.0 - 1.0).abs() > 1e-3
        {
            return Err(format!(
                "its rescale_factor is {factor}: networks are read that take pixels from 0 to 1 (1/255)"
            ));
        }
        let said_size = if off("do_resize") { None } else { config.get("size") };
        // From 384 pixels on that library takes the whole image.
        if let Some(taken) = said_size.and_then(|size| pixels(size.get("shortest_edge").unwrap_or(size))) {
            let share = if taken < 384 { share(config, 1.0)? } else { 1.0 };
            let crop = config.get("crop_size").filter(|_| !off("do_center_crop"));
            let crop = crop.and_then(|size| pixels(size.get("height").unwrap_or(size))).filter(|crop| *crop <= taken);
            self.sizes = Some([scaled(taken, share), crop.unwrap_or(taken)]);
        }
        let said = stats(config, "image_mean", "image_std")?;
        self.stats = match off("do_normalize") {
            true => said.map(|[mean, std]| [vec![0.0; mean.len()], vec![1.0; std.len()]]),
            false => said.or(self.stats.take()),
        };
        Ok(())
    }

    /// That the network of the tensors is what is said.
    pub(super) fn check(&self, kind: NetKind, classes: usize, channels: usize) -> Checked<()> {
        let is_bottleneck = kind == NetKind::Resnet50;
        if self.bottleneck.is_some_and(|said| said != is_bottleneck) {
            return Err(format!(
                "its config.json says another layer_type than its tensors have, which are a {kind:?}'s"
            ));
        }
        if classes > 0 && !self.labels.is_empty() && self.labels.len() != classes {
            return Err(format!(
                "its config.json names {} classes, and its last layer has {classes}",
                self.labels.len()
            ));
        }
        match &self.stats {
            Some([mean, _]) if mean.len() != channels => Err(format!(
                "its configuration has means of {} channels, and its first layer takes {channels}",
                mean.len()
            )),
            _ => Ok(()),
        }
    }
}

/// Pixels of a side, up to as many as an image may have.
fn pixels(value: &Value) -> Option<usize> {
    value.as_u64().filter(|n| (1..=8192).contains(n)).map(|n| n as usize)
}

/// What share of the scaled image is taken: `crop_pct`.
fn share(config: &Value, usual: f64) -> Checked<f64> {
    match config.get("crop_pct") {
        None | Some(Value::Null) => Ok(usual),
        Some(value) => {
            let share = value.as_f64().filter(|share| *share > 0.1 && *share <= 1.0);
            share.ok_or_else(|| format!("its crop_pct is {value}: a share over 0.1 up to 1 is read"))
        }
    }
}

/// The side that an image is scaled to so that a share of it has `taken` pixels.
fn scaled(taken: usize, share: f64) -> usize {
    (taken as f64 / share).floor() as usize
}

fn text<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Value::as_str)
}

/// Means and deviations, as many of both.
fn stats(config: &Value, mean: &str, std: &str) -> Checked<Option<[Vec<f32>; 2]>> {
    let numbers = |key: &str| -> Option<Vec<f32>> {
        config.get(key)?.as_array()?.iter().map(|v| v.as_f64().map(|x| x as f32)).collect()
    };
    match (config.get(mean), config.get(std), numbers(mean), numbers(std)) {
        (None | Some(Value::Null), None | Some(Value::Null), ..) => Ok(None),
        (_, _, Some(m), Some(s))
            if !m.is_empty()
                && m.len() == s.len()
                && m.iter().all(|x| x.is_finite())
                && s.iter().all(|x| x.is_finite() && *x > 0.0) =>
        {
            Ok(Some([m, s]))
        }
        _ => Err(format!("its {mean} and {std} are no lists of as many numbers, deviations over 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(config: Value) -> Checked<About> {
        let mut about = About::default();
        about.config(&config).map(|()| about)
    }

    #[test]
    fn what_makes_another_network_is_refused_by_name() {
        for (config, said) in [
            (json!({"model_type": "vit"}), "model_type is \"vit\""),
            (json!({"model_type": "resnet", "hidden_act": "gelu"}), "hidden_act is \"gelu\""),
            (json!({"model_type": "resnet", "downsample_in_bottleneck": true}), "downsample_in_bottleneck is true"),
            (json!({"model_type": "resnet", "downsample_in_first_stage": true}), "downsample_in_first_stage is true"),
            (json!({"model_type": "resnet", "layer_type": "odd"}), "layer_type is \"odd\""),
            (json!({"model_type": "resnet", "id2label": {"1": "a"}}), "id2label"),
            (json!({"architecture": "resnetblur50.bt_in1k"}), "architecture is \"resnetblur50.bt_in1k\""),
            (json!({"architecture": "resnet50", "model_args": {"act_layer": "silu"}}), "model_args have \"act_layer\""),
            (json!({"architecture": "resnet50", "pretrained_cfg": {"mean": [0.5], "std": [0]}}), "mean and std"),
        ] {
            let m = of(config).unwrap_err();
            assert!(m.contains(said), "{m}");
        }
    }

    #[test]
    fn sizes_are_taken() {
        let timm = |pretrained| of(json!({"architecture": "resnet50.a1_in1k", "pretrained_cfg": pretrained}));
        let sizes = timm(json!({"input_size": [3, 224, 224], "crop_pct": 0.95})).unwrap().sizes;
        assert_eq!(sizes, Some([235, 224]));
        assert_eq!(timm(json!({"input_size": [3, 288, 288]})).unwrap().sizes, Some([329, 288]));
        assert_eq!(timm(json!({})).unwrap().sizes, None);
        assert!(timm(json!({"input_size": [3, 224, 192]})).unwrap_err().contains("no [channels, size, size]"));
        assert!(timm(json!({"input_size": [3, 9, 9], "crop_pct": 0})).unwrap_err().contains("crop_pct is 0"));
        for (config, sizes) in [
            (json!({"size": 224, "crop_pct": 0.875}), Some([256, 224])),
            (json!({"size": {"shortest_edge": 224}, "crop_pct": null}), Some([224, 224])),
            (json!({"size": {"shortest_edge": 384}, "crop_pct": 0.875}), Some([384, 384])),
            (json!({"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}), Some([256, 224])),
            (json!({"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": false}), Some([256, 256])),
            (json!({"size": 224, "do_resize": false}), None),
            (json!({"size": 0}), None),
        ] {
            let mut about = About::default();
            about.preprocessor(&config).unwrap();
            assert_eq!(about.sizes, sizes, "{config}");
        }
    }

    #[test]
    fn names_and_means_are_taken() {
        let plain = json!({"model_type": "resnet", "hidden_act": "relu", "layer_type": "basic", "downsample_in_bottleneck": false});
        assert_eq!(of(plain).unwrap(), About { bottleneck: Some(false), ..About::default() });
        let numbered = of(json!({"model_type": "resnet", "id2label": {"0": "LABEL_0", "1": "LABEL_1"}})).unwrap();
        assert!(numbered.labels.is_empty());
        let named = of(json!({"model_type": "resnet", "id2label": {"1": "bee", "0": "ant"}})).unwrap();
        assert_eq!(named.labels, ["ant", "bee"]);
        assert!(named.check(NetKind::Resnet18, 3, 3).unwrap_err().contains("names 2 classes"));
        let pretrained = json!({"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]});
        let timm = of(json!({"architecture": "resnet18.a1_in1k", "pretrained_cfg": pretrained})).unwrap();
        assert_eq!(timm.stats, Some([vec![0.5, 0.4, 0.3], vec![0.2; 3]]));
        assert!(timm.check(NetKind::Resnet18, 3, 1).unwrap_err().contains("takes 1"));

        let mut about = timm;
        about.preprocessor(&json!({"image_mean": [0.1], "image_std": [0.5], "do_normalize": true})).unwrap();
        assert_eq!(about.stats, Some([vec![0.1], vec![0.5]]));
        about.preprocessor(&json!({"image_mean": [0.1], "image_std": [0.5], "do_normalize": false})).unwrap();
        assert_eq!(about.stats, Some([vec![0.0], vec![1.0]]));
        assert!(about.preprocessor(&json!({"rescale_factor": 1.0})).unwrap_err().contains("rescale_factor"));
        assert!(about.preprocessor(&json!({"do_rescale": false})).unwrap_err().contains("do_rescale"));
    }
}
