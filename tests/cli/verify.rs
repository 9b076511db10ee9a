//! `onebit verify`: faults that are planted, the browser, and wrong use. `adapters.rs` has the matrix.

use crate::adapters::report;
use crate::program::{Outcome, Place, TINY, finish};
use onebit::shader::sources::Sources;
use std::fs;
use std::path::PathBuf;

/// A folder with one shader file in which `from` is `to`.
fn planted(place: &Place, file: &str, from: &str, to: &str) -> PathBuf {
    let text = Sources::default().text(file).expect("a built-in file").to_string();
    assert!(text.contains(from), "`{from}` is not in {file}");
    let path = place.path("shaders").join(format!("{file}.wgsl"));
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
    fs::write(path, text.replacen(from, to, 1)).expect("a file");
    place.path("shaders")
}

fn is_wrong(outcome: Outcome, parts: &[&str]) -> Outcome {
    assert_eq!((outcome.code, outcome.err.as_str()), (Some(1), ""), "{}", outcome.out);
    for part in parts {
        assert!(outcome.out.contains(part), "`{part}` is not in:\n{}", outcome.out);
    }
    outcome
}

#[test]
fn a_fault_in_a_kernel_is_found_in_the_table() {
    let place = Place::new();
    planted(&place, "pool/max_pool2d", "max(", "min(");
    let check = |device: &str| place.run(&["verify", "--shaders", "shaders", "--device", device]);
    is_wrong(check("vulkan"), &["WRONG on A: max_pool2d", "FAILED"]);
    check("cpu").fails_with(&["needs an adapter"]);
}

#[test]
fn the_first_wrong_node_of_a_training_step_is_named_and_runs_again() {
    let place = Place::new();
    planted(&place, "pointwise/ste_mask", "<=", ">=");
    let mut args = vec!["verify", "--recipe", "fashion-binary", "--device", "vulkan", "--set", "batch=3"];
    TINY.iter().filter(|s| !s.starts_with("batch")).for_each(|s| args.extend(["--set", *s]));
    place.run(&args).ok();
    args.extend(["--shaders", "shaders"]);
    let outcome = is_wrong(
        place.run(&args),
        &["the first wrong node on", "batch_norm+sign of layer conv1", "--replay verify-fashion-binary"],
    );
    assert!(!outcome.out.contains("fault of onebit"));
    // With the shader that was saved beside it; on the device without it; and with the right one.
    is_wrong(place.run(&["verify", "--replay", "verify-fashion-binary", "--device", "vulkan"]), &["WRONG on A"]);
    place.run(&["verify", "--replay", "verify-fashion-binary", "--device", "cpu"]).ok();
    fs::remove_dir_all(place.path("verify-fashion-binary/shaders")).expect("the shader was saved");
    place.run(&["verify", "--replay", "verify-fashion-binary", "--device", "vulkan"]).ok();
}

#[test]
fn wrong_use() {
    let place = Place::new();
    let run = |args: &[&str]| place.run(&[&["verify", "--device", "cpu"], args].concat());
    run(&["--filter", "conv3d"]).fails_with(&["conv3d", "did you mean conv2d?"]);
    run(&["--json", "no/folder/r.json", "--filter", "add"]).fails_with(&["no/folder/r.json"]);
    run(&["--recipe", "fashion-binery"]).fails_with(&["did you mean fashion-binary?"]);
    run(&["--recipe", "fashion-binary", "--steps", "0"]).fails_with(&["--steps 0"]);
    run(&["--replay", "."]).fails_with(&["replay.json"]);
    run(&["--shaders", "nowhere"]).fails_with(&["nowhere"]);
    fs::create_dir(place.path("empty")).expect("a folder");
    run(&["--shaders", "empty"]).fails_with(&["empty", ".wgsl"]);
    place.run(&["verify", "--device", "radeon"]).fails_with(&["radeon", "auto, cpu"]);
    let unknown = place.run(&["verify", "--nonsense"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.err);
}

#[test]
fn the_browser_is_a_column() {
    let place = Place::new();
    let args = ["verify", "--browser", "--quick", "--filter", "relu", "--json", "r.json"];
    let outcome = place.run(&args).ok();
    assert!(outcome.out.contains("A  browser: "), "{}", outcome.out);
    let report = report(&place.path("r.json"));
    assert!(report.devices.len() == 1 && report.devices[0].ops.contains_key("leaky_relu"), "{report:?}");
    let child = place.command(&args).env("ONEBIT_CHROMIUM", "no/such/browser").spawn();
    finish(child.expect("the program starts")).fails_with(&["ONEBIT_CHROMIUM", "no/such/browser"]);
}
