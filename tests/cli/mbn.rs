//! Multilayer bootstrap networks and their compression, as a user runs them.

use crate::program::{Outcome, Place, finish, wait_for};
use serde_json::Value;
use std::fs;

const TINY: [&str; 4] = ["data.train_images=300", "data.test_images=100", "mbn.clusterings=12", "mbn.first=150"];

fn fit(place: &Place, out: &str, more: &[&str]) -> Outcome {
    let mut args = vec!["train", "small-mbn", "--out", out, "--device", "cpu"];
    TINY.iter().for_each(|s| args.extend(["--set", s]));
    args.extend(more);
    place.run(&args)
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(file)).expect(file)).expect(file)
}

#[test]
fn a_model_is_fitted_evaluated_drawn_and_compressed() {
    let place = Place::new();
    let out = fit(&place, "m", &[]).ok().out;
    assert!(out.contains("300 of 784 numbers each, pixels") && out.contains("5 layers of 12 clusterings"), "{out}");
    assert!(out.contains("which fitting did not see: accuracy"), "{out}");
    let summary = json(&place, "m/summary.json");
    assert_eq!(summary["layers"].as_array().map(Vec::len), Some(5));
    assert_eq!(summary["layers"][0]["operations"].as_f64(), Some(2.0 * 300.0 * 150.0 * 392.0 * 12.0));

    let out = place.run(&["eval", "m", "--baseline", "--json"]).ok().out;
    let eval: Value = serde_json::from_str(&out).expect(&out);
    assert_eq!(eval["train"], summary["train"]);
    for of in ["train", "test", "kmeans"] {
        assert!(eval[of]["accuracy"].as_f64().is_some_and(|a| a > 0.15 && a <= 1.0), "{out}");
    }
    assert!(eval["pace"]["seconds"].as_f64() > Some(0.0) && eval["model_bytes"].as_u64() > Some(300 * 784), "{out}");

    place.run(&["embed", "m", "--part", "train"]).ok();
    assert_eq!(fs::read(place.path("m/embed/features.npy")).expect("features").len(), 128 + 4 * 300 * 10);
    assert_eq!(fs::read(place.path("m/embed/clusters.npy")).expect("clusters").len(), 128 + 4 * 300);
    assert!(image::open(place.path("m/embed/map.png")).is_ok());

    let images = ["data.train_images=300", "data.test_images=100", "net.widths=[32]", "batch=50", "teacher.run=m"];
    for (recipe, out) in [("small-mbn-compress", "s"), ("mbn-compress-coordinates", "c"), ("mbn-compress-binary", "b")]
    {
        let mut args = vec!["train", recipe, "--out", out, "--device", "cpu", "--epochs", "4", "--data", "embedded"];
        images.iter().for_each(|s| args.extend(["--set", s]));
        place.run(&args).ok();
        let result = place.run(&["eval", out, "--json"]).ok().out;
        let result: Value = serde_json::from_str(&result).expect(&result);
        let test = &result["parts"][1];
        // What training called accuracy is agreement with the model.
        let trained = json(&place, &format!("{out}/summary.json"))["test_accuracy"].as_f64().expect("tested");
        assert!((test["agreement"].as_f64().expect("agreement") - trained).abs() < 1e-9, "{recipe}: {result}");
        assert_eq!(test["teacher"], eval["test"], "{recipe}");
        // Chance is 0.1.
        assert!(trained > 0.2, "{recipe}: {trained}");
        let bytes = result["student_bytes"].as_u64().expect("bytes");
        match recipe {
            // 784 and 32 inputs of 32 units: a bit a weight, some floats a unit.
            "mbn-compress-binary" => assert!(bytes < 784 * 32 / 8 + 4 * 3000, "{bytes}"),
            _ => assert!(bytes > 4 * 784 * 32, "{bytes}"),
        }
    }
}

#[test]
fn a_model_of_all_images_knows_the_clusters_of_each_part() {
    let place = Place::new();
    let out = fit(&place, "all", &["--set", "fit_to=all", "--set", "mbn.application=agglomerative"]).ok().out;
    assert!(out.contains("400 of 784 numbers each, pixels"), "{out}");
    let summary = json(&place, "all/summary.json");
    assert_eq!((&summary["all"]["images"], &summary["train"]), (&400.into(), &Value::Null));

    let out = place.run(&["eval", "all", "--baseline", "--json"]).ok().out;
    let eval: Value = serde_json::from_str(&out).expect(&out);
    assert_eq!(eval["all"], summary["all"]);
    // All of it was clustered: nothing is left to predict.
    assert_eq!((&eval["train"]["images"], &eval["test"]["images"]), (&300.into(), &100.into()));
    assert!(eval.get("pace").is_none() && eval["kmeans"]["images"] == 400, "{out}");

    let mut clusters = Vec::new();
    for part in ["train", "test"] {
        place.run(&["embed", "all", "--part", part]).ok();
        clusters.extend_from_slice(&fs::read(place.path("all/embed/clusters.npy")).expect("clusters")[128..]);
    }
    assert_eq!(clusters.len(), 4 * 400);
    place.run(&["eval", "all", "--data", "embedded"]).ok();

    // A validation part is one of all.
    fit(&place, "val", &["--set", "fit_to=all", "--set", "data.val=0.2"]).ok();
    let out = place.run(&["eval", "val", "--json"]).ok().out;
    let eval: Value = serde_json::from_str(&out).expect(&out);
    let images = |part: &str| eval[part]["images"].as_u64().unwrap_or(0);
    assert!(images("val") > 0 && images("train") + images("val") + images("test") == images("all"), "{out}");
}

#[test]
fn fits_of_several_seeds_stand_side_by_side() {
    let place = Place::new();
    for seed in ["0", "1"] {
        fit(&place, &format!("train{seed}"), &["--seed", seed]).ok();
        fit(&place, &format!("all{seed}"), &["--seed", seed, "--set", "fit_to=all"]).ok();
    }
    let out = place.run(&["compare", "train0", "all1", "train1", "all0", "--format", "json"]).ok().out;
    let table: Value = serde_json::from_str(&out).expect(&out);
    let rows = table["rows"].as_array().expect("rows");
    assert!(!table["notes"].to_string().contains("earlier versions"), "{out}");
    assert_eq!((rows.len(), &table["left_out"]), (2, &Value::Array(Vec::new())), "{out}");
    for (row, part, images) in [(&rows[0], "train", 300), (&rows[1], "all", 400)] {
        let found = |key: &str| -> f64 {
            let one = |seed| json(&place, &format!("{part}{seed}/summary.json"))[part][key].as_f64().expect(key);
            (one(0) + one(1)) / 2.0
        };
        assert_eq!(row["part"], part);
        assert_eq!((&row["images"], &row["steps"]), (&images.into(), &Value::Null), "{out}");
        let near = |shown: &Value, mean: f64| assert!((shown.as_f64().expect("mean") - mean).abs() < 1e-9, "{out}");
        near(&row["accuracy"]["mean"], 100.0 * found("accuracy"));
        near(&row["more"]["NMI"]["mean"], found("nmi"));
    }
    // What was edited is not believed.
    let file = place.path("train1/config.toml");
    fs::write(&file, fs::read_to_string(&file).expect("config").replace("seed = 1", "seed = 5")).expect("written");
    place.run(&["compare", "train1"]).fails_with(&["seed 1", "config.toml has 5"]);
    fs::remove_file(place.path("all1/summary.json")).expect("removed");
    place.run(&["compare", "all1"]).fails_with(&["not finished"]);
}

#[test]
fn a_killed_fit_goes_on_and_ends_in_the_same_bytes() {
    let place = Place::new();
    fit(&place, "whole", &[]).ok();
    let larger = ["--set", "mbn.clusterings=60"];
    fit(&place, "larger", &larger).ok();
    let mut args: Vec<&str> = vec!["train", "small-mbn", "--out", "killed", "--device", "cpu"];
    TINY.iter().for_each(|s| args.extend(["--set", s]));
    args.extend(larger);
    let mut child = place.command(&args).spawn().expect("the program starts");
    wait_for(&place.path("killed/checkpoints/last.safetensors"), &mut child);
    child.kill().expect("it can be killed");
    finish(child);
    assert!(!place.path("killed/summary.json").exists());
    let out = place.run(&["train", "--resume", "--out", "killed"]).ok().out;
    assert!(out.contains("resumed after"), "{out}");
    // Seconds are not repeated; codes, components and clusters are.
    for (kind, part) in [("train", "train"), ("test", "test")] {
        let of = |run: &str| {
            place.run(&["embed", run, "--part", part, "--out", &format!("{run}-{kind}")]).ok();
            let read = |name: &str| fs::read(place.path(&format!("{run}-{kind}/{name}"))).expect(name);
            [read("features.npy"), read("clusters.npy")]
        };
        assert!(of("larger") == of("killed"), "{kind}");
    }
    assert!(place.run(&["train", "--resume", "--out", "killed"]).ok().out.contains("nothing to resume"));
}

#[test]
fn a_run_whose_settings_were_edited_is_refused() {
    let place = Place::new();
    fit(&place, "m", &[]).ok();
    let config = place.path("m/config.toml");
    let whole = fs::read_to_string(&config).expect("its settings");
    for (from, to) in [("clusterings = 12", "clusterings = 13"), ("seed = 0", "seed = 1")] {
        assert!(whole.contains(from), "{whole}");
        fs::write(&config, whole.replacen(from, to, 1)).expect("a file");
        for command in ["eval", "embed"] {
            place.run(&[command, "m"]).fails_with(&["config.toml", "put it back"]);
        }
    }
    fs::write(&config, whole).expect("a file");
    place.run(&["eval", "m"]).ok();
}

#[test]
fn features_of_a_run_are_points() {
    let place = Place::new();
    let mut args = vec!["train", "small-swav", "--out", "f", "--device", "cpu", "--epochs", "1"];
    for s in ["data.train_images=300", "data.test_images=100", "batch=50", "net.widths=[4,4,8,8]", "swav.prototypes=12"]
    {
        args.extend(["--set", s]);
    }
    place.run(&args).ok();
    let out = fit(&place, "m", &["--features", "f"]).ok().out;
    assert!(out.contains("300 of 8 numbers each, features of"), "{out}");
    place.run(&["eval", "m"]).ok();
    fit(&place, "n", &["--features", "nowhere"]).fails_with(&["nowhere", "no such run"]);
    place.run(&["train", "--features", "f"]).fails_with(&["--features", "multilayer bootstrap"]);
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    let place = Place::new();
    for (setting, parts) in [
        ("mbn.clusterings=0", &["mbn.clusterings = 0", "at least 1"][..]),
        ("mbn.first=301", &["301 centres", "300 points"]),
        ("mbn.layers=[50,10]", &["10 centres for 10 clusters"]),
        ("mbn.layers=[50,60]", &["must get smaller"]),
        ("mbn.share=0", &["mbn.share = 0"]),
        ("mbn.clustering=3", &["did you mean `clusterings`?"]),
    ] {
        fit(&place, "x", &["--set", setting]).fails_with(parts);
        assert!(!place.path("x").exists(), "{setting} leaves nothing behind");
    }
    fit(&place, "x", &["--epochs", "3"]).fails_with(&["--epochs", "layers"]);
    place.run(&["train", "mbn"]).fails_with(&["--data PATH"]);
    place.run(&["train", "small-mbn-compress"]).fails_with(&["runs/small-mbn", "onebit train small-mbn"]);
    place.run(&["verify", "--recipe", "small-mbn"]).fails_with(&["no training steps"]);
    fit(&place, "m", &[]).ok();
    place.run(&["eval", "m", "--protocol", "knn"]).fails_with(&["--protocol", "clusters"]);
    let file = place.path("m/checkpoints/last.safetensors");
    let bytes = fs::read(&file).expect("a model");
    fs::write(&file, &bytes[..bytes.len() / 2]).expect("it can be cut");
    place.run(&["eval", "m"]).fails_with(&["last.safetensors", "cut short"]);
    let grey = place.path("grey");
    for class in ["a", "b"] {
        fs::create_dir_all(grey.join(class)).expect("a folder");
        for i in 0..30 {
            image::GrayImage::from_pixel(28, 28, image::Luma([7]))
                .save(grey.join(format!("{class}/{i}.png")))
                .expect("saved");
        }
    }
    let path = grey.display().to_string();
    place
        .run(&["train", "small-mbn", "--data", &path, "--set", "mbn.first=20"])
        .fails_with(&["points are equal", "constant"]);
}
