//! Methods with a teacher from the command line: what they need, what they log, how runs are compared, drawn and exported,
//! and what does not go together.

use crate::program::{Outcome, Place};
use serde_json::Value;
use std::fs;

/// The settings that make a `small-` recipe tiny.
const TINY: &[&str] =
    &["data.train_images=200", "data.test_images=100", "batch=50", "epochs=2", "net.widths=[4,4,8,8]", "eval.batch=50"];

fn train(place: &Place, recipe: &str, out: &str, more: &[&str]) -> Outcome {
    let settings = TINY.iter().chain(more).flat_map(|s| ["--set", s]);
    let args: Vec<&str> = ["train", recipe, "--device", "cpu", "--out", out].into_iter().chain(settings).collect();
    place.run(&args)
}

fn lines(place: &Place, run: &str, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    lines.filter(|l| l["kind"] == kind).collect()
}

#[test]
fn a_teacher_then_rbcn_then_compared_drawn_and_exported() {
    let place = Place::new();
    train(&place, "small-float", "runs/small-float", &[]).ok();
    let teacher = fs::read(place.checkpoint("runs/small-float")).unwrap();
    train(&place, "small-rbcn", "rbcn", &["data.val=0.02"]).ok();
    train(&place, "small-rbcn", "rbcn-2", &["data.val=0.02", "seed=1"]).ok();
    assert_eq!(fs::read(place.checkpoint("runs/small-float")).unwrap(), teacher, "the teacher's run is not touched");

    let before = lines(&place, "rbcn", "before-refresh");
    assert_eq!(before.len(), 2, "a validation before each second pass: {before:?}");
    let means = lines(&place, "rbcn", "means").pop().expect("means are logged");
    for name in ["d0.right_on_real", "d2.right_on_fake", "d1.feature_mse", "kernel_loss", "task_loss", "feature_loss"] {
        assert!(means["values"][name].as_f64().is_some_and(f64::is_finite), "{name} in {means}");
    }
    let layers = lines(&place, "rbcn", "layers").pop().expect("statistics of layers are logged");
    for key in ["ones", "flip_rate", "entropy", "kurtosis", "bimodality", "best_share", "cos_best", "matrix"] {
        assert!(layers["layers"][0][key].as_f64().is_some_and(f64::is_finite), "{key} in {layers}");
    }

    // Two seeds are one row.
    let table = place.run(&["compare", "rbcn", "rbcn-2", "runs/small-float"]).ok().out;
    let rows: Vec<&str> =
        table.lines().filter(|l| l.starts_with("small-rbcn") || l.starts_with("small-float")).collect();
    assert_eq!(rows.len(), 2, "{table}");

    let report = place.run(&["report", "rbcn"]).ok().out;
    assert!(report.contains("kurtosis") && report.contains("layer3.0.conv2"), "{report}");
    for picture in ["curves.svg", "weights.svg"] {
        assert!(fs::read_to_string(place.path("rbcn").join(picture)).unwrap().contains("<svg"), "{picture}");
    }

    // What is exported is tested, and gives what the run itself gave.
    let out = place.run(&["export", "rbcn"]).ok().out;
    let summary: Value = serde_json::from_str(&fs::read_to_string(place.path("rbcn/summary.json")).unwrap()).unwrap();
    let accuracy = format!("top-1 {:.2} % of", 100.0 * summary["test_accuracy"].as_f64().unwrap());
    assert!(out.contains(&accuracy) && out.contains("with their means"), "{accuracy} in {out}");
    let file = fs::read(place.path("rbcn/network.safetensors")).unwrap();
    let names = safetensors::SafeTensors::deserialize(&file).unwrap();
    let names: Vec<&str> = names.names().into_iter().collect();
    assert!(names.contains(&"layer1.0.conv1.bits") && names.contains(&"layer1.0.conv1.matrix"), "{names:?}");
    for left in ["teacher", "discriminator", "optim", "layer1.0.conv1.weight"] {
        assert!(!names.iter().any(|n| n.contains(left)), "{left} in {names:?}");
    }
    place.run(&["export", "rbcn", "--mean-matrices", "--out", "mean.safetensors"]).ok();
    // As packed models: signs with a scale for each tap, signs with one for each sum.
    let floats = place.run(&["export", "rbcn", "--out", "whole.1bit"]).ok().out;
    assert!(floats.contains("which are summed as floats"), "{floats}");
    let bits = place.run(&["export", "rbcn", "--mean-matrices", "--out", "mean.1bit"]).ok().out;
    assert!(
        !bits.contains("summed as floats")
            && ![&floats, &bits].iter().any(|said| said.contains(" 0 weights of one bit")),
        "{bits}"
    );
    let size = |file: &str| fs::metadata(place.path(file)).unwrap().len();
    // A scale a tap beside signs costs next to nothing in the file.
    assert!(size("whole.1bit") < size("mean.1bit") * 11 / 10, "{} of {}", size("mean.1bit"), size("whole.1bit"));
    place.run(&["export", "runs/small-float", "--mean-matrices"]).fails_with(&["--mean-matrices", "runs/small-float"]);
    place.run(&["export", "rbcn", "--out", "no/such/folder/x"]).fails_with(&["no/such/folder/x"]);
}

#[test]
fn swav_is_evaluated_by_neighbours_and_ships_its_features() {
    let place = Place::new();
    train(&place, "small-swav", "swav", &["swav.prototypes=8"]).ok();
    let means = lines(&place, "swav", "means").pop().expect("signs of collapse are logged");
    for name in ["swav_loss", "usage_entropy", "sinkhorn_residual", "feature_spread"] {
        assert!(means["values"][name].as_f64().is_some_and(f64::is_finite), "{name} in {means}");
    }
    let summary: Value = serde_json::from_str(&fs::read_to_string(place.path("swav/summary.json")).unwrap()).unwrap();
    let eval: Value = serde_json::from_str(&place.run(&["eval", "swav", "--json"]).ok().out).unwrap();
    assert_eq!(eval["accuracy"], summary["test_accuracy"]);
    let share = format!("top-1 {:.2} %", 100.0 * eval["accuracy"].as_f64().unwrap());
    let out = place.run(&["export", "swav"]).ok().out;
    assert!(out.contains(&share) && place.path("swav/network.safetensors").exists(), "{out} {share}");
}

#[test]
fn reactnet_takes_two_steps_with_a_teacher() {
    let place = Place::new();
    let missing = train(&place, "small-reactnet", "early", &[]);
    missing.fails_with(&["runs/small-float", "onebit train small-float"]);
    train(&place, "small-float", "runs/small-float", &[]).ok();
    let missing = train(&place, "small-reactnet", "early", &[]);
    missing.fails_with(&["runs/small-reactnet-step1", "onebit train small-reactnet-step1"]);
    train(&place, "small-reactnet-step1", "runs/small-reactnet-step1", &[]).ok();
    train(&place, "small-reactnet", "second", &[]).ok();
}

/// Real-to-Binary: the teacher of each step is the network of the one before, of real weights.
#[test]
fn real_to_binary_takes_three_steps() {
    let place = Place::new();
    let step = |recipe: &str, out: &str| {
        let args = ["train", recipe, "--device", "cpu", "--out", out, "--set", "net.vars={w=8}"];
        let settings = TINY.iter().filter(|s| !s.starts_with("net.widths")).flat_map(|s| ["--set", s]);
        place.run(&args.into_iter().chain(settings).collect::<Vec<_>>())
    };
    train(&place, "small-float", "runs/small-float", &[]).ok();
    step("small-real-to-binary-step1", "runs/small-real-to-binary-step1").ok();
    let early = step("small-real-to-binary", "early");
    early.fails_with(&["runs/small-real-to-binary-step2", "onebit train small-real-to-binary-step2"]);
    step("small-real-to-binary-step2", "runs/small-real-to-binary-step2").ok();
    step("small-real-to-binary", "third").ok();
    let means = lines(&place, "runs/small-real-to-binary-step2", "means").pop().expect("its losses are logged");
    for name in ["task_loss", "attention_loss", "distillation_loss"] {
        assert!(means["values"][name].as_f64().is_some_and(|x| x.is_finite() && x > 0.0), "{name} in {means}");
    }
    // A binary one is no teacher.
    let refused =
        place.run(&["train", "small-reactnet-step1", "--device", "cpu", "--out", "no", "--set", "teacher.run=third"]);
    refused.fails_with(&["third is a binary network", "real weights"]);
}

#[test]
fn what_does_not_go_together_names_both_sides() {
    let place = Place::new();
    train(&place, "small-float", "runs/small-float", &[]).ok();
    let refused = |recipe: &str, set: &[&str], parts: &[&str]| {
        train(&place, recipe, "out", set).fails_with(parts);
        assert!(!place.path("out").exists(), "{recipe} {set:?} left something behind");
    };
    // Coding.
    refused("small-siman", &["net.binarization.magnitude.coding=ternary"], &["ternary", "pm1", "zero-one"]);
    refused("small-siman", &["net.binarization.weights=sign"], &["magnitude", "\"sign\""]);
    refused("small-siman", &["net.binarization.scale=matrix"], &["\"magnitude\"", "\"matrix\"", "\"learned\""]);
    refused("small-bireal", &["net.binarization.matrix=kernel"], &["`matrix`", "\"channel\""]);
    // Net.
    refused("small-rbcn", &["net.binary=false"], &["rbcn", "net.binary = false"]);
    refused("small-rbcn", &["net.binarization.scale=channel"], &["`matrix`", "\"channel\""]);
    refused("small-rbcn-bireal", &["rbcn.lambda_kernel=1e-4"], &["lambda_kernel", "Layer"]);
    refused("small-rbcn", &["net.kind=resnet18", "net.widths=[4,4,8,8,8]"], &["FloatPooled", "7x7"]);
    let other = ["net.kind=resnet18", "net.widths=[4,4,8,8,8]", "net.shortcut=float"];
    refused("small-rbcn", &other, &["runs/small-float", "[28, 28, 4]", "[4, 4, 8]"]);
    // Widths.
    refused("small-rbcn", &["net.widths=[8,8,8,8]"], &["runs/small-float", "4", "8"]);
    refused("small-rbcn", &["net.widths=[8,8]"], &["net.widths", "2", "4"]);
    // Teacher.
    refused("small-rbcn", &["teacher.run=elsewhere"], &["elsewhere", "onebit train small-float"]);
    refused("small-sign", &["teacher.run=runs/small-float"], &["supervised", "[teacher]"]);
    refused("small-sign", &["method=rbcn"], &["rbcn"]);
    // Switches.
    refused("small-rbcn", &["rbcn.features=gan"], &["gan", "adversarial"]);
    refused("small-rbcn", &["rbcn.lambda=1"], &["rbcn.lambda", "lambda_kernel"]);
    refused("small-rbcn", &["rbcn.lambda_features=-1"], &["lambda_features", "-1"]);
    refused("small-sign", &["rbcn.refresh=none"], &["[rbcn]", "supervised"]);
    // A binary network is no teacher.
    train(&place, "small-sign", "student", &[]).ok();
    refused("small-rbcn", &["teacher.run=student"], &["student", "net.binary = true"]);
    place.run(&["report", "nowhere"]).fails_with(&["nowhere"]);
    place.run(&["compare", "nowhere"]).fails_with(&["nowhere"]);
}
