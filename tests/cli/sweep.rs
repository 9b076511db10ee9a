//! Sweeps: every run is made, whatever happens to one of them or to the sweep; then the table.

use crate::program::{Place, TINY, finish, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// The arguments of a sweep of tiny runs.
fn tiny<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["sweep", "fashion-binary", "--device", "cpu", "--out", "s"];
    // What is given once more takes the place of the usual.
    let is_given = |s: &&&str| s.starts_with("epochs=") && more.contains(&"--epochs");
    TINY.iter().filter(|s| !is_given(s)).for_each(|s| args.extend(["--set", s]));
    args.extend(more);
    args
}

/// The run directories of a sweep, and which of them are finished.
fn runs(place: &Place) -> BTreeMap<String, bool> {
    let entries = fs::read_dir(place.path("s")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    entries.map(|p| (p.file_name().unwrap().to_str().unwrap().to_string(), p.join("summary.json").is_file())).collect()
}

fn comparison(place: &Place, args: &[&str]) -> Value {
    let args = [&["compare"], args, &["--format", "json"]].concat();
    serde_json::from_str(&place.run(&args).ok().out).unwrap()
}

#[test]
fn every_combination_is_a_run_and_more_can_be_asked_for_later() {
    let place = Place::new();
    let two = tiny(&["--set", "lr=1e-3,3e-3", "--seeds", "0..2"]);
    let listed = place.run(&[&two[..], &["--dry-run"]].concat()).ok().out;
    assert!(listed.contains("new") && listed.contains("lr=1e-3,seed=0") && listed.contains("4 runs"), "{listed}");
    assert!(!place.path("s").exists(), "a dry run makes nothing");

    let out = place.run(&two).ok().out;
    assert!(out.contains("4 runs, up to ") && out.contains(" side by side"), "{out}");
    let names =
        ["lr=1e-3,seed=0", "lr=1e-3,seed=1", "lr=3e-3,seed=0", "lr=3e-3,seed=1"].map(|n| format!("fashion-binary,{n}"));
    assert_eq!(runs(&place), names.iter().map(|n| (n.clone(), true)).collect(), "{out}");
    let ended: Vec<&str> = out.lines().filter(|l| l.starts_with('[')).collect();
    assert!(
        ended.len() == 4 && ended.iter().all(|l| l.contains("test accuracy") && l.contains(" of 100 images")),
        "{out}"
    );
    let table: Vec<&str> = out.lines().filter(|l| l.starts_with("fashion-binary ")).collect();
    assert!(out.contains("lr") && table.len() == 2 && table.iter().all(|l| l.contains('±')), "{out}");

    // Each is the run that `train` makes, to the bit, on however many threads.
    place.train("alone", &["--set", "lr=3e-3", "--seed", "1"]).ok();
    assert!(place.weights(&format!("s/{}", names[3])) == place.weights("alone"));

    // The same again makes nothing; one value and one seed more make what is missing, in the same folder.
    let before = fs::metadata(place.path("s").join(&names[0]).join("summary.json")).unwrap().modified().unwrap();
    let more = place.run(&tiny(&["--set", "lr=1e-3,3e-3,1e-2", "--seeds", "0..=2"])).ok().out;
    assert_eq!(runs(&place).len(), 9, "{more}");
    let after = fs::metadata(place.path("s").join(&names[0]).join("summary.json")).unwrap().modified().unwrap();
    assert_eq!(before, after);
    assert_eq!(comparison(&place, &["s"])["rows"].as_array().unwrap().len(), 3);
}

#[test]
fn a_killed_sweep_goes_on_and_its_runs_stop_with_it() {
    let place = Place::new();
    let long = tiny(&["--epochs", "40", "--set", "checkpoint.every_steps=5", "--seeds", "0..2", "--jobs", "2"]);
    let mut child = place.command(&long).spawn().unwrap();
    let last = |seed: u32| place.path(&format!("s/fashion-binary,seed={seed}/checkpoints/last.safetensors"));
    wait_for(&last(0), &mut child);
    wait_for(&last(1), &mut child);
    let process = format!("process {}", child.id());
    place.run(&long).fails_with(&["s:", "are being made by", &process]);
    child.kill().unwrap();
    child.wait().unwrap();
    // What it began saves and stops, and lets go of its directory.
    let held = |seed: u32| place.path(&format!("s/fashion-binary,seed={seed}/.lock-holder")).exists();
    while held(0) || held(1) {
        sleep(Duration::from_millis(100));
    }
    // Had they gone on without their sweep, they would be finished now.
    assert_eq!(runs(&place).values().filter(|finished| **finished).count(), 0);
    let listed = place.run(&[&long[..], &["--dry-run"]].concat()).ok().out;
    assert_eq!(listed.matches("begun").count(), 2, "{listed}");

    let out = finish(place.command(&[&long[..], &["--json"]].concat()).spawn().unwrap());
    assert_eq!(out.code, Some(0), "{}\n{}", out.out, out.err);
    let events: Vec<Value> = out.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        events.iter().filter(|e| e["of"]["event"] == "resumed").count(),
        2,
        "they went on from their checkpoints"
    );
    assert_eq!(runs(&place).len(), 2);
}

#[test]
fn a_run_that_fails_ends_no_other_and_is_named() {
    let place = Place::new();
    // A rate at which nothing stays finite.
    let args = tiny(&["--set", "lr=1e30,1e-3", "--seeds", "0..2"]);
    let out = place.run(&args);
    assert_eq!(out.code, Some(1), "{}\n{}", out.out, out.err);
    let failed: Vec<&str> = out.out.lines().filter(|l| l.starts_with("failed: ")).collect();
    assert!(failed.len() == 2 && failed.iter().all(|l| l.contains("lr=1e30") && l.contains("finite")), "{}", out.out);
    assert!(out.out.contains("2 of 4 runs failed"), "{}", out.out);
    assert_eq!(runs(&place).values().filter(|finished| **finished).count(), 2);
    let json = comparison(&place, &["s"]);
    assert_eq!((json["rows"].as_array().unwrap().len(), json["left_out"].as_array().unwrap().len()), (1, 2), "{json}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_begins() {
    let place = Place::new();
    let refused = |more: &[&str], parts: &[&str]| place.run(&tiny(more)).fails_with(parts);
    refused(&["--set", "lr=1e-3,x"], &["lr=x"]);
    refused(&["--set", "learning_rate=1,2"], &["learning_rate"]);
    refused(&["--set", "data.size=[16,16"], &["not closed"]);
    refused(&["--set", "lr=1", "--set", "lr=2"], &["lr", "twice"]);
    refused(&["--set", "lr=1e-3,0.001"], &["0.001 is there twice (as 1e-3)"]);
    refused(&["--seeds", "3..1"], &["--seeds 3..1"]);
    refused(&["--seeds", "one"], &["0..3"]);
    refused(&["--jobs", "0"], &["--jobs 0"]);
    refused(&["--set", "data.path=a,b", "--data", "c"], &["--data", "--set data.path"]);
    refused(&["--set", "seed=1,2", "--seeds", "0..2"], &["--seeds", "--set seed"]);
    assert!(!place.path("s").exists());
    // Values with commas inside of brackets are whole ones.
    let listed =
        place.run(&["sweep", "small-sign", "small-xnor", "--set", "net.widths=[4,4,8,8],[8,8,8,8]", "--dry-run"]).ok();
    assert!(listed.out.contains("small-xnor,net.widths=8-8-8-8") && listed.out.contains("4 runs"), "{}", listed.out);
    fs::create_dir(place.path("s")).unwrap();
    fs::write(place.path("s/mine.txt"), "").unwrap();
    refused(&[], &["sweep.json", "--out"]);
}
