//! Runs side by side, in every form.

use crate::program::Place;
use crate::runs::{goes, insects};
use serde_json::Value;
use std::fs;

fn json(place: &Place, args: &[&str]) -> Value {
    let out = place.run(&[&["compare"], args, &["--format", "json"]].concat());
    assert_eq!(out.code, Some(0), "{}", out.err);
    serde_json::from_str(&out.out).unwrap()
}

#[test]
fn rows_columns_forms_and_differences() {
    let place = Place::new();
    for seed in ["0", "1"] {
        place.train(&format!("a{seed}"), &["--seed", seed]).ok();
        place.train(&format!("b{seed}"), &["--seed", seed, "--set", "lr=0.01"]).ok();
    }
    let all = ["a0", "b1", "a1", "b0"];
    let text = place.run(&[&["compare"], &all[..]].concat()).ok().out;
    let header = text.lines().next().unwrap();
    assert!(header.contains("  lr  ") && !header.contains("batch") && !header.contains("device"), "{text}");
    let found = json(&place, &[&all[..], &["--against", "a1"]].concat());
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{found}");
    let accuracy = |run: &str| -> f64 {
        let text = fs::read_to_string(place.path(run).join("summary.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["test_accuracy"].as_f64().unwrap()
    };
    let d = [100.0 * (accuracy("b0") - accuracy("a0")), 100.0 * (accuracy("b1") - accuracy("a1"))];
    let (mean, half) = (0.5 * (d[0] + d[1]), 0.5 * (d[0] - d[1]).abs() * 12.706_204_7);
    let of = |key: &str| rows[1]["difference"][key].as_f64().unwrap();
    for (got, wanted) in [(of("mean"), mean), (of("low"), mean - half), (of("high"), mean + half)] {
        assert!((got - wanted).abs() < 1e-6, "{got} {wanted}: {found}");
    }
    assert_eq!(rows[1]["settings"], serde_json::json!({ "lr": "0.01" }));

    for (file, part) in [
        ("t.md", "| ---: |"),
        ("t.tex", "\\begin{tabular}"),
        ("t.csv", "accuracy by seed"),
        ("t.json", "\"test_set\""),
        ("t.txt", "recipe"),
    ] {
        place.run(&[&["compare"], &all[..], &["-o", file]].concat()).ok();
        let text = fs::read_to_string(place.path(file)).unwrap();
        assert!(text.contains(part) && text.contains("fashion-binary"), "{file}: {text}");
    }
    place.run(&["compare", "a0", "-o", "t.odt"]).fails_with(&["t.odt", "--format"]);

    // What cannot be compared is named and passed over.
    fs::create_dir(place.path("empty")).unwrap();
    fs::create_dir_all(place.path("broken")).unwrap();
    fs::write(place.path("broken/config.toml"), "x = ").unwrap();
    let out = place.run(&["compare", "a0", "empty", "broken", "nowhere", "a0"]).ok().out;
    let left: Vec<&str> = out.lines().filter(|l| l.starts_with("left out: ")).collect();
    assert_eq!(left.len(), 4, "{out}");
    assert!(left[3].contains("seed counts once"), "{out}");
    let csv = place.run(&["compare", "a0", "empty", "--format", "csv"]);
    assert!(
        csv.code == Some(0) && csv.err.starts_with("left out: empty") && !csv.out.contains("left out"),
        "{}",
        csv.out
    );
    place.run(&["compare", "empty"]).fails_with(&["empty", "config.toml"]);
}

/// Runs are of one row if what they started from differs by its seed alone, wherever it lies.
#[test]
fn what_runs_started_from_tells_them_apart() {
    let place = Place::new();
    for (base, more) in [
        ("x/base", &["--seed", "0"][..]),
        ("y/base", &["--seed", "1"]),
        ("z/base", &["--seed", "0", "--set", "lr=0.01"]),
    ] {
        place.train(base, &[more, &["--epochs", "1"]].concat()).ok();
    }
    for (run, base, seed) in [("a", "x/base", "0"), ("b", "y/base", "1"), ("c", "z/base", "1")] {
        place.train(run, &["--epochs", "1", "--from", base, "--seed", seed]).ok();
    }
    let found = json(&place, &["a", "b", "c"]);
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{found}");
    let of = |i: usize| rows[i]["settings"]["start_from.hash"].as_str().unwrap();
    assert!(of(0) != of(1) && of(0).len() == 8, "{found}");
}

#[test]
fn other_test_images_are_never_mixed_in_silence() {
    let place = Place::new();
    place.train("all", &[]).ok();
    place.train("few", &["--set", "data.test_images=50"]).ok();
    let out = place.run(&["compare", "all", "few", "--against", "all"]).ok().out;
    assert!(out.contains("test set") && out.contains("not the same images") && out.contains("no difference"), "{out}");
    let found = json(&place, &["all", "few", "--against", "all"]);
    assert_ne!(found["rows"][0]["test_set"], found["rows"][1]["test_set"]);
    assert_eq!(found["rows"][1]["difference"], Value::Null);
}

#[test]
fn other_training_images_and_lengthened_runs_are_rows_of_their_own() {
    let place = insects();
    let train = "train tiny.toml --data col3 --epochs 2 --device cpu";
    goes(&place, &format!("{train} --out a --seed 0"));
    goes(&place, &format!("{train} --out b --seed 1"));
    fs::remove_file(place.path("col3/train/ant/0.png")).unwrap();
    goes(&place, &format!("{train} --out c --seed 2"));
    // Of the seed of another one, and no duplicate.
    goes(&place, &format!("{train} --out d --seed 0"));
    let found = json(&place, &["a", "b", "c", "d"]);
    let rows = found["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &found["left_out"]), (2, &serde_json::json!([])), "{found}");
    assert!(rows.iter().all(|r| r["runs"].as_array().unwrap().len() == 2), "{found}");
    assert_ne!(rows[0]["train_set"], rows[1]["train_set"]);
    let text = place.run(&["compare", "a", "b", "c", "d"]).ok().out;
    let n = rows[1]["train_images"].as_u64().unwrap();
    for part in ["training images", &format!("A ({} images)", n + 1), &format!("B ({n} images)")] {
        assert!(text.contains(part), "{part}: {text}");
    }
    goes(&place, "report a b c d --out two");
    let svg = fs::read_to_string(place.path("two/curves.svg")).unwrap();
    assert!(svg.contains("training images B"), "the legend tells them apart");

    let longer = Place::new();
    longer.train("l", &["--epochs", "2"]).ok();
    longer.run(&["train", "--resume", "--out", "l", "--epochs", "4"]).ok();
    longer.train("s", &["--epochs", "4"]).ok();
    let found = json(&longer, &["l", "s"]);
    assert_eq!((found["rows"].as_array().unwrap().len(), &found["left_out"]), (2, &serde_json::json!([])), "{found}");
    let text = longer.run(&["compare", "l", "s"]).ok().out;
    assert!(text.contains("lengthened") && text.contains("from 2 epochs at step 12"), "{text}");
}

#[test]
fn every_form_says_the_number_of_images() {
    let place = Place::new();
    place.train("r", &["--set", "data.val=0.05"]).ok();
    place.run(&["eval", "r", "--protocol", "knn"]);
    for format in ["text", "markdown", "csv", "latex", "html"] {
        let out = place.run(&["compare", "r", "--format", format]).ok().out;
        for part in ["images", "100", "val images", "% of 100 images"] {
            assert!(out.contains(part), "{format}: {part}: {out}");
        }
    }
}

/// What the table says of the size of a network is what `inspect` says of its export.
#[test]
fn sizes_and_operations_are_those_of_what_ships() {
    let place = Place::new();
    for recipe in ["small-float", "small-reactnet-step1"] {
        let out = format!("runs/{recipe}");
        train(&place, recipe, &out);
    }
    let all = [
        "float",
        "sign",
        "xnor",
        "bireal",
        "irnet",
        "reactnet-step1",
        "reactnet",
        "siman",
        "siman-01",
        "rbcn-bireal",
        "rbcn-r",
        "rbcn",
        "swav",
        "burn-m0",
    ];
    for name in all {
        let (recipe, run) = (format!("small-{name}"), format!("runs/small-{name}"));
        if !place.path(&run).exists() {
            train(&place, &recipe, &run);
        }
        let model = format!("{name}.1bit");
        place.run(&["export", &run, "-o", &model]).ok();
        let inspected: Value = serde_json::from_str(&place.run(&["inspect", &model, "--json"]).ok().out).unwrap();
        let row = json(&place, &[&run])["rows"][0].clone();
        for (ships, own) in [
            ("binary_weights", "binary_weights"),
            ("numbers", "other_numbers"),
            ("binary_macs", "binary_multiply_adds"),
            ("real_macs", "real_multiply_adds"),
        ] {
            assert_eq!(row["ships"][ships], inspected[own], "{recipe}: {own}");
        }
        assert_eq!(row["operations"], inspected["operations"], "{recipe}");
        let table = place.run(&["compare", &run]).ok().out;
        let bits = inspected["binary_weights"].as_f64().unwrap() + 32.0 * inspected["other_numbers"].as_f64().unwrap();
        let in_floats = recipe.starts_with("small-rbcn") && inspected["binary_multiply_adds"] == 0;
        assert_eq!(table.contains("summed as floats"), in_floats, "{recipe}: {table}");
        let cells = [format!("{:.1}", bits / 1e3), format!("{:.3}", inspected["operations"].as_f64().unwrap() / 1e6)];
        assert!(cells.iter().all(|c| table.contains(c)), "{recipe}: {cells:?} in {table}");
    }
}

fn train(place: &Place, recipe: &str, out: &str) {
    let settings = ["data.train_images=100", "data.test_images=40", "batch=50", "eval.batch=40"];
    let mut args = vec!["train", recipe, "--out", out, "--device", "cpu", "--epochs", "1"];
    settings.iter().for_each(|s| args.extend(["--set", s]));
    place.run(&args).ok();
}
