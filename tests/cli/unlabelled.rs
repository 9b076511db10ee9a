//! Training without labels and how its features are evaluated, as a user runs it: SwAV, masks, protocols, features, the cascade.

use crate::golden::golden;
use crate::program::{Outcome, Place};
use serde_json::Value;
use std::fs;

const TINY: [&str; 7] = [
    "data.train_images=300",
    "data.test_images=100",
    "batch=50",
    "net.widths=[4,4,8,8]",
    "swav.prototypes=12",
    "swav.dimension=8",
    "eval.batch=50",
];

fn train(place: &Place, recipe: &str, out: &str, epochs: &str, more: &[&str]) -> Outcome {
    let mut args = vec!["train", recipe, "--out", out, "--device", "cpu", "--epochs", epochs];
    TINY.iter().chain(more).for_each(|s| args.extend(["--set", s]));
    place.run(&args)
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(file)).expect(file)).expect(file)
}

#[test]
fn features_are_evaluated_by_every_protocol_and_drawn() {
    let place = Place::new();
    train(&place, "small-swav", "base", "1", &[]).ok();
    for (protocol, labels, images) in [("knn", "100%", 300), ("linear", "10%", 30), ("finetune", "10%", 30)] {
        let out = place.run(&["eval", "base", "--protocol", protocol, "--labels", labels, "--json"]).ok().out;
        let last = &out[out.rfind("\n{").map_or(0, |i| i + 1)..];
        let found: Value = serde_json::from_str(last).expect(&out);
        assert_eq!((&found["protocol"], &found["training_images"]), (&protocol.into(), &images.into()), "{out}");
        // Whole images of the 100, and more of them than the ten classes' tenth.
        let right = 100.0 * found["accuracy"].as_f64().expect("an accuracy");
        assert!((right - right.round()).abs() < 1e-9 && right > 12.0, "{right} of 100 images: {out}");
    }
    // The run's own test asks neighbours too.
    let own = json(&place, "base/summary.json")["test_accuracy"].clone();
    let noted = json(&place, "base/protocols.json");
    assert_eq!(noted.as_array().map(Vec::len), Some(3));
    assert_eq!(noted[0]["accuracy"], own);
    assert!(place.path("base/finetune-10%/checkpoints/last.safetensors").is_file());
    // Noted once, however often it is asked.
    place.run(&["eval", "base", "--protocol", "knn"]).ok();
    assert_eq!(json(&place, "base/protocols.json").as_array().map(Vec::len), Some(3));
    // Several shares at once, in both ways, are what each is alone.
    let alone = place.run(&["eval", "base", "--protocol", "linear", "--labels", "10%"]).ok().out;
    for labels in [&["1%", "10%"][..], &["1%,10%"]] {
        let out = place.run(&[&["eval", "base", "--protocol", "linear", "--labels"], labels].concat()).ok().out;
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains("labels of 3 of 300") && lines[1] == alone.trim_end(), "{out}");
    }
    assert_eq!(json(&place, "base/protocols.json").as_array().map(Vec::len), Some(4));
    let table = place.run(&["compare", "base"]).ok().out;
    assert!(
        table.contains("linear (10% of the labels), % of 100 images") && table.contains("knn, % of 100 images"),
        "{table}"
    );

    let out = place.run(&["embed", "base", "--part", "train"]).ok().out;
    assert!(out.contains("300 images, 8 numbers"), "{out}");
    let bytes = fs::read(place.path("base/embed/features.npy")).expect("features");
    assert_eq!(bytes.len(), 128 + 4 * 300 * 8);
    assert_eq!(fs::read(place.path("base/embed/labels.npy")).expect("labels").len(), 128 + 4 * 300);
    assert!(image::open(place.path("base/embed/map.png")).is_ok());

    let wrong = |args: &[&str], part: &str| {
        let o = place.run(args);
        assert!(o.code == Some(2) && o.err.contains(part), "{args:?}: {}", o.err);
    };
    wrong(&["eval", "base", "--protocol", "knn", "--labels", "0%"], "give a share over 0");
    wrong(&["eval", "base", "--protocol", "nearest"], "choose knn, linear or finetune");
    wrong(&["eval", "base", "--labels", "10%"], "--protocol");
    wrong(&["eval", "base", "--protocol", "knn", "--data", "nowhere"], "nowhere");
}

#[test]
fn a_mask_is_learned_saved_and_put_on_its_base_alone() {
    let place = Place::new();
    train(&place, "small-swav", "base", "1", &[]).ok();
    train(&place, "small-swav", "other", "1", &["seed=5"]).ok();
    let adapt = ["start_from=base", "swav.hidden=0", "smn.score_lr=20000.0"];
    let out = train(&place, "small-smn", "smn", "2", &adapt).ok().out;
    assert!(out.contains("smn/mask.1bit: 2,"), "{out}");
    let info: Value = serde_json::from_str(&place.run(&["mask", "info", "smn/mask.1bit", "--json"]).ok().out).unwrap();
    let (bits, active) = (info["bits"].as_u64().unwrap(), info["active"].as_f64().unwrap());
    // 9 (1 4 + 4 4 4 + 4 8 + 8 8 + 8 8 + 8 8), the networks' shortcuts having no weights.
    assert_eq!(bits, 9 * (4 + 16 + 16 + 32 + 64 + 64 + 64));
    assert!(active > 0.05 && active < 1.0 && info["gzip_bytes"].as_u64().unwrap() > 20, "{info}");
    let text = place.run(&["mask", "info", "smn/mask.1bit"]).ok().out;
    assert!(text.contains("layer1.0.conv1.weight") && text.contains("1/32 of the weights in f32"), "{text}");

    place.run(&["mask", "apply", "base", "smn/mask.1bit"]).ok();
    for run in ["smn", "base-masked"] {
        place.run(&["embed", run, "--device", "cpu", "--out", &format!("of-{run}")]).ok();
    }
    let features = |run: &str| fs::read(place.path(&format!("of-{run}/features.npy"))).expect("features");
    assert!(features("smn") == features("base-masked"), "the same network to the bit");
    place.run(&["mask", "apply", "other", "smn/mask.1bit"]).fails_with(&["smn/mask.1bit", "another network"]);
    place.run(&["mask", "info", "base/config.toml"]).fails_with(&["base/config.toml", "no mask file"]);
    place.run(&["mask", "save", "base"]).fails_with(&["base", "no mask"]);
    masks_ship_on_a_base(&place);

    let out = place.run(&["cascade", "smn", "--clusters", "2", "--device", "cpu"]).ok().out;
    assert!(out.contains("unconditional") && out.contains("expert 1"), "{out}");
    let found = json(&place, "smn/cascade/cascade.json");
    assert_eq!(found["results"].as_array().map(Vec::len), Some(3));
    let sizes: u64 = found["clusters"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(sizes, 300);
    assert!(place.path("smn/cascade/expert-1/mask.1bit").is_file() && place.path("smn/cascade/router.json").is_file());
    place.run(&["cascade", "base"]).fails_with(&["base", "method smn"]);
}

/// A run that learned masks as a model of its own, and as masks on a base: the same numbers.
fn masks_ship_on_a_base(place: &Place) {
    place.run(&["export", "smn"]).ok();
    assert!(place.path("smn/network.safetensors").is_file());
    let whole = place.run(&["export", "smn", "-o", "whole.1bit"]).ok().out;
    assert!(whole.contains("first output for 100 of 100 images; outputs differ by at most 0.0e0"), "{whole}");
    let first = place.run(&["export", "smn", "-o", "task.1bit", "--base", "base.1bit"]).ok().out;
    assert!(first.starts_with("base.1bit: the base"), "{first}");
    let bytes = |name: &str| fs::read(place.path(name)).expect(name);
    let task = bytes("task.1bit");
    place.run(&["export", "smn", "-o", "again.1bit", "--base", "base.1bit"]).ok();
    assert!(bytes("again.1bit") == task, "a base that is there serves again");
    let weights = 4 * 9 * (4 + 16 + 16 + 32 + 64 + 64 + 64);
    let saved = bytes("whole.1bit").len() - task.len();
    assert!(saved > weights * 30 / 32 && saved < weights, "{saved} of {weights}");
    fs::write(
        place.path("x.pgm"),
        [&b"P5 28 28 255\n"[..], &(0..784).map(|i| (i * i) as u8).collect::<Vec<_>>()].concat(),
    )
    .expect("a picture");
    let features = |args: &[&str]| -> Value {
        let out = place.run(&[&["predict"], args, &["x.pgm", "--json"]].concat()).ok().out;
        serde_json::from_str::<Value>(&out).expect("JSON")["features"].clone()
    };
    let own = features(&["whole.1bit"]);
    assert_eq!(own.as_array().map(Vec::len), Some(8));
    assert_eq!(features(&["task.1bit", "--base", "base.1bit"]), own);
    let text = place.run(&["predict", "task.1bit", "--base", "base.1bit", "x.pgm"]).ok().out;
    assert!(text.contains("x.pgm: 8 features"), "{text}");
    let listed = place.run(&["inspect", "task.1bit", "--base", "base.1bit"]).ok().out;
    assert!(listed.contains("8 features"), "{listed}");
    place.run(&["export", "other", "-o", "other.1bit"]).ok();
    place.run(&["predict", "task.1bit", "x.pgm"]).fails_with(&["task.1bit", "--base"]);
    place.run(&["predict", "task.1bit", "--base", "other.1bit", "x.pgm"]).fails_with(&["task.1bit", "another base"]);
    place.run(&["predict", "whole.1bit", "--base", "base.1bit", "x.pgm"]).fails_with(&["whole.1bit", "needs no base"]);
    place
        .run(&["export", "smn", "-o", "base.1bit", "--base", "base.1bit"])
        .fails_with(&["base.1bit", "take the place"]);
    place.run(&["export", "smn", "-o", "x.1bit", "--base", "other.1bit"]).fails_with(&["other.1bit", "no layer"]);
    place.run(&["export", "base", "-o", "x.1bit", "--base", "b.1bit"]).fails_with(&["--base", "method smn"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let place = Place::new();
    let refused = |recipe: &str, more: &[&str], parts: &[&str]| {
        let mut args = vec!["train", recipe, "--device", "cpu"];
        more.iter().for_each(|s| args.extend(["--set", s]));
        place.run(&args).fails_with(parts);
    };
    refused("small-smn", &["start_from="], &["start_from"]);
    refused("small-smn", &["start_from=nowhere"], &["nowhere", "not there"]);
    refused("small-smn", &["net.binary=true"], &["net.binary = true"]);
    refused("small-smn", &["smn.threshold=2.0"], &["smn.start = 1", "smn.threshold = 2"]);
    refused("small-smn", &["data.label_share=0.1"], &["data.label_share = 0.1"]);
    refused("small-burn-m1", &["swav.prototypes=5"], &["[swav]", "joint-swav"]);
    refused("small-burn-m0", &[], &["runs/small-swav", "onebit train small-swav"]);
    refused("small-burn", &["burn.views=1"], &["burn.views = 1"]);
    refused("small-swav", &["burn.views=1"], &["[burn]", "method = \"burn\""]);
    refused("small-swav", &["data.classes=[3,3]"], &["class 3"]);
    place.train("labelled", &["--set", "net.binary=false"]).ok();
    let teacher = ["teacher.run=labelled", "net.widths=[4,8]"];
    refused("small-burn-m0", &teacher, &["fixed-ssl", "labelled", "without one"]);
}

#[test]
fn weights_made_elsewhere_are_a_base_and_a_teacher() {
    let place = Place::new();
    for (i, class) in ["a", "b"].iter().cycle().take(24).enumerate() {
        let folder = place.path("images").join(class);
        fs::create_dir_all(&folder).expect("a folder");
        let pixel = |x: u32, y: u32| image::Rgb([(x * 3 + i as u32) as u8, (y * 3) as u8, (7 * i) as u8]);
        image::RgbImage::from_fn(64, 64, pixel).save(folder.join(format!("{i}.png"))).expect("a picture");
    }
    let weights = golden("foreign/resnet18.safetensors");
    let weights = weights.to_str().expect("a path");
    let run = |recipe: &str, out: &str, settings: &[&str]| {
        let mut args = vec!["train", recipe, "--data", "images", "--out", out, "--device", "cpu", "--epochs", "1"];
        settings.iter().for_each(|s| args.extend(["--set", s]));
        place.run(&args)
    };
    let start = format!("start_from={weights}");
    let net = ["net.kind=resnet18", "net.widths=[8,8,16,16,16]", "net.stem=imagenet", "batch=5", "swav.hidden=0"];
    run("small-smn", "smn", &[&[start.as_str(), "smn.score_lr=20000.0"], &net[..]].concat()).ok();
    place.run(&["mask", "apply", weights, "smn/mask.1bit", "--out", "masked"]).ok();
    let shipped = place.run(&["export", "smn", "-o", "task.1bit", "--base", "base.1bit"]).ok().out;
    assert!(shipped.contains("base.1bit: the base"), "{shipped}");
    let config = fs::read_to_string(place.path("smn/config.toml")).expect("a record");
    // Its images are normalised as ImageNet's are.
    assert!(config.contains("0.485") && config.contains("0.229"), "{config}");
    let teacher = format!("teacher.run={weights}");
    let student = ["net.widths=[4,8]", "batch=5", "schedule.warmup=0", "burn.outputs=8", "burn.hidden=8"];
    run("small-burn-m1-fs", "burn", &[&[teacher.as_str()], &student[..]].concat()).ok();
    run("small-smn", "x", &[&[start.as_str(), "net.kind=resnet34"], &net[1..]].concat())
        .fails_with(&["resnet18.safetensors", "layer1.2.conv1.weight"]);
}
