//! `onebit export-program`: what it writes, and what it refuses.

use crate::program::Place;
use std::fs;

#[test]
fn a_folder_holds_the_page_and_its_data() {
    let place = Place::new();
    let out = place.run(&["export-program", "--ops", "--filter", "relu", "--out", "new/ops"]).ok().out;
    assert!(out.contains("steps of") && out.contains("index.html"), "{out}");
    for file in ["index.html", "main.js", "manifest.js", "data-000.js"] {
        assert!(place.path("new/ops").join(file).is_file(), "{file}");
    }
    let again = place.run(&["export-program", "--ops", "--filter", "relu", "--out", "again"]).ok();
    assert_eq!(again.out.replace("again", "new/ops"), out);
    let read = |folder: &str| fs::read(place.path(folder).join("data-000.js")).expect("it was written");
    assert!(read("new/ops") == read("again"), "the same is written twice");
}

#[test]
fn a_recipe_brings_its_batch_down_and_says_so() {
    let place = Place::new();
    let small = ["--set", "net.widths=[8,8,8,8]", "--quick"];
    let export = |more: &[&str]| place.run(&[&["export-program", "fashion-binary"], &small[..], more].concat());
    let out = export(&["--set", "batch=2", "--steps", "2", "--seed", "3", "--out", "two"]).ok().out;
    assert!(!out.contains("the batch is"), "{out}");
    let out = export(&["--out", "own"]).ok().out;
    assert!(out.contains("the batch is") && out.contains("--set batch=100"), "{out}");
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let place = Place::new();
    let ops = |more: &[&str]| place.run(&[&["export-program", "--ops", "--filter", "relu"], more].concat());
    ops(&["--filter", "nonsense", "--out", "a"]).code.filter(|c| *c == 2).expect("--filter twice is an error");
    place
        .run(&["export-program", "--ops", "--filter", "nonsense", "--out", "a"])
        .fails_with(&["nonsense", "xnor_conv2d"]);
    place.run(&["export-program", "fashion-binery", "--out", "a"]).fails_with(&["did you mean fashion-binary?"]);
    place.run(&["export-program", "cifar10-resnet18-binary", "--out", "a"]).fails_with(&["--data PATH"]);
    assert!(!place.path("a").exists(), "nothing is left of what failed");
    fs::create_dir(place.path("full")).expect("a folder");
    fs::write(place.path("full/mine"), "mine").expect("a file");
    ops(&["--out", "full"]).fails_with(&["full", "not empty", "nothing is overwritten"]);
    ops(&["--out", "full/mine"]).fails_with(&["full/mine", "a file of that name"]);
    ops(&["--out", "full/mine/below"]).fails_with(&["full/mine", "cannot create"]);
    assert_eq!(fs::read_dir(place.path("full")).expect("it is there").count(), 1);
}

/// The system's own folder of processes takes no files, not even from root.
#[cfg(target_os = "linux")]
#[test]
fn a_place_that_takes_no_files() {
    let place = Place::new();
    place
        .run(&["export-program", "--ops", "--filter", "relu", "--out", "/proc/onebit"])
        .fails_with(&["/proc", "cannot create"]);
}
