//! `onebit verify`: faults that are planted, gradients of recipes, the browser, and wrong use. `adapters.rs` has the matrix.

use crate::adapters::report;
use crate::program::{Outcome, Place, TINY, finish};
use onebit::shader::sources::Sources;
use onebit::verify::GradientReport;
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

/// Of every method, of every rule for binary weights, and of a network of the reader's own.
#[test]
fn gradients_of_recipes_equal_differences() {
    let place = Place::new();
    let own = "\
        method = 'supervised'\nepochs = 1\nbatch = 20\nlr = 1e-3\noptimiser = { kind = 'adam' }\nschedule = { kind = 'cosine' }\n\
        [net]\nlayer = [{ op = 'conv', width = 4 }, { op = 'batch-norm' }, { op = 'binary-conv', width = '2*c', stride = 2 }, \
        { op = 'batch-norm', name = 'mine' }, { op = 'prelu' }, { op = 'global-avg-pool' }, { op = 'classifier' }]";
    fs::write(place.path("own.toml"), own).expect("a file");
    let of = |recipe: &str, more: &[&str]| {
        let args = ["verify", "--recipe", recipe, "--gradients", "--json", "r.json"];
        let outcome = place.run(&[&args, more].concat()).ok();
        assert!(outcome.out.contains("passed: "), "{recipe}: {}", outcome.out);
        let json = fs::read_to_string(place.path("r.json")).expect("the report was written");
        let report: GradientReport = serde_json::from_str(&json).expect("it is a report");
        assert!(report.passed() && report.layers.iter().map(|l| l.compared).sum::<usize>() > 20, "{}", outcome.out);
        report
    };
    let small = ["--set", "net.widths=[8,8,8,8]"];
    let recipes = ["fashion-binary", "small-xnor", "small-irnet", "small-siman", "small-siman-01", "small-reactnet"];
    for recipe in recipes.iter().chain(&["small-burn", "small-smn", "small-swav"]) {
        let report = of(recipe, &small);
        let defined = report.layers.iter().map(|l| l.definition.len()).sum::<usize>();
        assert!(defined > 0 && report.layers.iter().all(|l| l.part == report.layers[0].part), "{recipe}: {report}");
    }
    // Of two networks, in two programs.
    let report = of("small-rbcn", &small);
    assert!(report.layers.iter().any(|l| l.part != report.layers[0].part), "{report}");
    let report = of("own.toml", &["--seed", "3"]);
    assert_eq!((report.seed, report.recipe.as_str()), (3, "own"));
    let mine = report.layers.iter().find(|l| l.layer == "mine").expect("its layers have their names");
    assert!(mine.compared > 0 && mine.definition["detach"] > 0, "{report}");
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
    place.run(&["verify", "--gradients"]).fails_with(&["--gradients", "--recipe"]);
    place.run(&["verify", "--recipe", "small-mbn", "--gradients"]).fails_with(&["no training steps"]);
    let both = place.run(&["verify", "--recipe", "small-sign", "--gradients", "--steps", "2"]);
    assert!(both.code == Some(2) && both.err.contains("'--gradients' cannot be used with '--steps"), "{}", both.err);
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
