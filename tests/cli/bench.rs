//! `onebit bench`: figures, files, comparisons, and what cannot be asked of it. Times are never judged.

use crate::program::{Outcome, Place};
use serde_json::Value;
use std::fs;

/// The three float and three binary kernels of one convolution, and nothing else.
const FEW: &str = "64x8x8x64";

fn bench(place: &Place, more: &[&str]) -> Outcome {
    place.run(&[&["bench", "--device", "cpu", "--quick", "--filter", FEW], more].concat())
}

fn read(place: &Place, name: &str) -> Value {
    let text = fs::read_to_string(place.path(name)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn figures_are_printed_written_drawn_kept_and_compared() {
    let place = Place::new();
    let out = bench(&place, &["--json", "a.json", "--svg", "a.svg"]).ok().out;
    for part in ["f32 multiply-adds", "matrix units", "absent", "xnor_conv2d_weight_grad 64x8x8x64", "of bits"] {
        assert!(out.contains(part), "`{part}` is not in: {out}");
    }
    let report = read(&place, "a.json");
    assert_eq!(report["device"]["backend"], "cpu");
    assert_eq!(report["device"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["ceilings"]["f32_gops"].as_f64() > Some(0.0) && report["ceilings"]["f16_gops"].is_null());
    let kernels = report["kernels"].as_array().unwrap();
    assert_eq!(kernels.len(), 6);
    for k in kernels {
        let share = k["rate"].as_f64().unwrap()
            / report["ceilings"][format!("{}_gops", k["roof"].as_str().unwrap()).replace("bits", "bit")]
                .as_f64()
                .unwrap();
        assert!(k["ms"].as_f64() > Some(0.0) && (share - k["share"].as_f64().unwrap()).abs() < 1e-9, "{k}");
    }
    let picture = fs::read_to_string(place.path("a.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("xnor_conv2d_input_grad") && picture.contains("copy"));
    let kept: Vec<_> = fs::read_dir(place.path("cache")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(kept.len() == 1 && kept[0].to_string_lossy().starts_with("ceilings-cpu-"), "{kept:?}");

    // Against itself made ten times as fast, of another machine and without one of the kernels.
    let mut old = report.clone();
    old["device"]["name"] = "an older one".into();
    old["kernels"].as_array_mut().unwrap().remove(5);
    for k in old["kernels"].as_array_mut().unwrap() {
        k["rate"] = (10.0 * k["rate"].as_f64().unwrap()).into();
    }
    fs::write(place.path("old.json"), old.to_string()).unwrap();
    let out = bench(&place, &["--baseline", "old.json"]).ok().out;
    let ratios = out
        .lines()
        .filter(|l| [" of f32 ", " of sums", " of bits"].iter().any(|roof| l.contains(roof)))
        .collect::<Vec<_>>();
    assert!(out.contains("the baseline is of another device") && out.contains("an older one"), "{out}");
    assert!(ratios.len() == 6 && ratios[5].ends_with("is new"), "{out}");
    assert!(ratios[..5].iter().all(|l| l.split(' ').next_back().unwrap().parse::<f64>().unwrap() < 5.0), "{out}");
}

#[test]
fn what_cannot_be_asked_is_said_at_once() {
    let place = Place::new();
    fs::write(place.path("broken.json"), "{\"device\": 3").unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    bench(&place, &["--baseline", "broken.json"]).fails_with(&["broken.json", "onebit bench --json", "line 1"]);
    bench(&place, &["--baseline", "absent.json"]).fails_with(&["absent.json"]);
    bench(&place, &["--json", "no/such/folder/a.json"]).fails_with(&["no/such/folder/a.json"]);
    bench(&place, &["--svg", "folder"]).fails_with(&["folder", "this is a folder"]);
    place.run(&["bench", "--device", "abacus"]).fails_with(&["abacus", "cpu"]);
    place.run(&["bench", "--filter", "conv9d"]).fails_with(&["conv9d", "xnor_conv2d_input_grad", "batch_norm"]);
    let zero = place.run(&["bench", "--seconds", "0"]);
    assert_eq!(zero.code, Some(2));
    assert!(zero.err.contains("`0`") && zero.err.contains("--seconds"), "{}", zero.err);
    assert!(!place.path("cache").exists(), "nothing was measured");
}

#[test]
fn a_cache_that_cannot_be_written_is_one_note() {
    let place = Place::new();
    fs::write(place.path("taken"), "").unwrap();
    let args = ["bench", "--device", "cpu", "--quick", "--filter", FEW];
    let out = crate::program::finish(place.command(&args).env("ONEBIT_CACHE", place.path("taken")).spawn().unwrap());
    assert_eq!(out.code, Some(0), "{}", out.err);
    assert!(out.err.starts_with("note: nothing is kept") && out.err.contains("taken"), "{}", out.err);
    assert_eq!(out.err.lines().count(), 1, "{}", out.err);
}
