//! What each command prints and writes.

use crate::program::{Place, finish};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn devices_lists_adapters_and_says_what_auto_takes() {
    let place = Place::new();
    let text = place.run(&["devices"]).ok().out;
    assert!(text.contains("cpu") && text.contains("auto takes"), "{text}");
    let value = json(&place.run(&["devices", "--json"]).ok().out);
    assert!(value["cpu"]["threads"].as_u64() > Some(0));
    let best = value["cpu"]["isa_of_machine"][0].as_str().unwrap();
    assert!(text.contains(&format!("kernels for {best};")), "{text}");
    let mut forced = place.command(&["devices"]);
    forced.env("ONEBIT_ISA", "portable");
    let text = finish(forced.spawn().unwrap()).ok().out;
    assert!(text.contains("kernels for portable;"), "{text}");
    assert!(value["adapters"].is_array() && value["auto"]["why"].is_string());
}

#[test]
fn recipes_are_listed_and_what_is_shown_can_be_trained() {
    let place = Place::new();
    let list = json(&place.run(&["recipes", "--json"]).ok().out);
    let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|r| r["name"].as_str()).collect();
    assert!(names.contains(&"fashion-binary") && names.contains(&"fashion-float"), "{names:?}");
    let text = place.run(&["recipes"]).ok().out;
    assert!(names.iter().all(|n| text.contains(n)));
    let recipe = place.run(&["recipes", "show", "fashion-binary"]).ok().out;
    std::fs::write(place.path("mine.toml"), recipe).unwrap();
    let out = place.train("run", &["mine.toml", "--epochs", "1"]).ok().out;
    assert!(out.contains("test accuracy"), "{out}");
}

#[test]
fn a_run_leaves_what_it_promises_and_never_overwrites() {
    let place = Place::new();
    let out = place.train("run", &["--seed", "7"]).ok().out;
    for part in ["planned", "kept from forward to backward", "epoch   3  test accuracy", "onebit eval run"] {
        assert!(out.contains(part), "`{part}` is not in: {out}");
    }
    let summary = json(&std::fs::read_to_string(place.path("run/summary.json")).unwrap());
    assert_eq!((summary["epochs"].as_u64(), summary["steps"].as_u64()), (Some(3), Some(18)));
    assert_eq!((summary["recipe"].as_str(), summary["seed"].as_u64()), (Some("fashion-binary"), Some(7)));
    let accuracy = summary["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.1 && accuracy <= 1.0, "{accuracy}");
    for key in ["images_per_second", "planned_bytes", "parameters", "binary_parameters"] {
        assert!(summary[key].as_f64() > Some(0.0), "{key} in {summary}");
    }
    assert!(summary["device"].as_str().unwrap().starts_with("cpu"));
    let metrics = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let kinds: Vec<String> = metrics.lines().map(|l| json(l)["kind"].as_str().unwrap().to_string()).collect();
    // Nothing is chosen on the test images: they are looked at once.
    assert_eq!(kinds, [["train", "epoch", "layers"].repeat(3), vec!["test"]].concat());

    let first = place.weights("run");
    let again = place.train("run", &["--seed", "8"]).ok().out;
    assert!(again.contains("run-2"), "{again}");
    assert_eq!(place.weights("run"), first);

    // The record of a run is a recipe: it gives the same weights, to the bit. Another seed does not.
    place.run(&["train", "run/config.toml", "--device", "cpu", "--out", "repeated"]).ok();
    assert_eq!(place.weights("repeated"), first);
    assert_ne!(place.weights("run-2"), first);
}

#[test]
fn eval_repeats_the_result_and_draws_it() {
    let place = Place::new();
    place.train("run", &[]).ok();
    let summary = json(&std::fs::read_to_string(place.path("run/summary.json")).unwrap());
    let value = json(&place.run(&["eval", "run", "--json"]).ok().out);
    assert_eq!(value["accuracy"], summary["test_accuracy"]);
    assert_eq!(value["images"].as_u64(), Some(100));
    assert_eq!(value["classes"].as_array().unwrap().len(), 10);
    let picture = std::fs::read_to_string(place.path("run/confusion.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("Sneaker"));
    let text = place.run(&["eval", "run", "--checkpoint", "best", "--device", "cpu"]).ok().out;
    assert!(text.contains("top-1") && text.contains("top-5") && text.contains("Ankle boot"), "{text}");
}

#[test]
fn json_output_is_one_object_a_line() {
    let place = Place::new();
    let out = place.train("run", &["--json", "--epochs", "1"]).ok().out;
    let events: Vec<String> = out.lines().map(|l| json(l)["event"].as_str().unwrap().to_string()).collect();
    assert_eq!(events.first().map(String::as_str), Some("plan"));
    assert_eq!(events.last().map(String::as_str), Some("summary"));
    assert!(events.iter().any(|e| e == "train") && events.iter().any(|e| e == "test"), "{events:?}");
}

#[test]
fn an_adapter_trains_too() {
    // Any adapter that works; `tests/common/devices.rs` fails where there is none.
    let place = Place::new();
    let devices = json(&place.run(&["devices", "--json"]).ok().out);
    let usable = devices["adapters"].as_array().unwrap().iter().find(|a| a["usable"] == true).expect("an adapter");
    let index = usable["index"].to_string();
    for run in ["a", "b"] {
        let out = place.train(run, &["--device", &index, "--epochs", "1"]);
        assert_eq!(out.code, Some(0), "{}{}", out.out, out.err);
    }
    assert_eq!(place.weights("a"), place.weights("b"));
}
