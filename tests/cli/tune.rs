//! Choosing kernels by measurement, as users meet it: results are the same with it, without it, and with what is
//! remembered of it, whatever became of that.

use crate::program::{Outcome, Place};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Number of an adapter that works; `tests/common/devices.rs` fails where there is none.
fn adapter(place: &Place) -> String {
    let devices: Value = serde_json::from_str(&place.run(&["devices", "--json"]).ok().out).unwrap();
    let all = devices["adapters"].as_array().unwrap();
    all.iter().find(|a| a["usable"] == true).expect("an adapter")["index"].to_string()
}

fn kept(place: &Place) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(place.path("cache")) else { return Vec::new() };
    folder.map(|f| f.unwrap().path()).filter(|p| p.to_string_lossy().contains("kernels-")).collect()
}

#[test]
fn training_is_the_same_with_and_without_tuning() {
    let place = Place::new();
    let adapter = adapter(&place);
    let train = |out: &str, more: &[&str]| {
        place
            .train(out, &[&["--device", &adapter, "--epochs", "1", "--set", "net.widths=[16,16,16,16]"], more].concat())
    };
    let tunes = |o: &Outcome| o.out.lines().any(|l| l.starts_with("tuning "));

    assert!(!tunes(&train("rule", &["--no-tune"]).ok()));
    assert_eq!(kept(&place), [] as [PathBuf; 0]);
    assert!(tunes(&train("tuned", &[]).ok()));
    let files = kept(&place);
    assert_eq!(files.len(), 1);
    // With some kernels remembered, and perhaps more of them measured.
    train("again", &[]).ok();
    fs::write(&files[0], "{\"device\": ").unwrap();
    let broken = train("broken", &["--json"]);
    assert_eq!(broken.code, Some(0), "{}", broken.err);
    assert!(broken.err.starts_with("note: ") && broken.err.contains("kernels-"), "{}", broken.err);
    assert_eq!(broken.err.lines().count(), 1, "{}", broken.err);
    let events: Vec<Value> = broken.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((&events[0]["event"], &events[1]["event"]), (&"plan".into(), &"tune".into()));
    assert!(events[1]["classes"].as_u64() > Some(0));

    for run in ["tuned", "again", "broken"] {
        assert!(place.weights(run) == place.weights("rule"), "{run}");
    }
    place.run(&["eval", "tuned"]).ok();
}

#[test]
fn kernels_are_chosen_ahead_of_time() {
    let place = Place::new();
    let adapter = adapter(&place);
    let tune = ["bench", "--device", &adapter, "--filter", "xnor_conv2d_input_grad 64x8x8x64", "--tune"];
    let out = place.run(&tune).ok().out;
    assert!(out.contains("1 kinds of kernels have variants"), "{out}");
    assert!(out.contains("xnor_conv2d_input_grad of 64x8x8x64 to 64") && out.contains("of 1, measured in"), "{out}");
    assert_eq!(kept(&place).len(), 1);
    // What was chosen is what runs, and by the rule it is not.
    for more in [&[][..], &["--no-tune"], &["--allow-reorder"]] {
        place
            .run(&[&["bench", "--quick", "--device", &adapter, "--filter", "_input_grad 64x8x8x64"], more].concat())
            .ok();
    }
}

#[test]
fn what_cannot_be_tuned_is_said() {
    let place = Place::new();
    place.run(&["bench", "--tune", "--device", "cpu"]).fails_with(&["--tune", "--device"]);
    let adapter = adapter(&place);
    place
        .run(&["bench", "--device", &adapter, "--tune", "fashion-binari"])
        .fails_with(&["did you mean fashion-binary?"]);
    place.run(&["bench", "--device", &adapter, "--tune", "cifar10-resnet20-binary"]).fails_with(&["--data"]);
}
