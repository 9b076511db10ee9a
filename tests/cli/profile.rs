//! `onebit profile`: every command belongs to a node, and the trace is one.

use crate::program::{Place, TINY};
use onebit::profile::{Clock, Profile};
use serde_json::Value;
use std::fs;

fn small<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["profile", "fashion-binary", "--steps", "2"];
    TINY.iter().for_each(|s| all.extend(["--set", *s]));
    all.extend(args);
    all
}

fn profile(place: &Place, args: &[&str]) -> Profile {
    let args = small(&[&["--json", "p.json"], args].concat());
    place.run(&args).ok();
    serde_json::from_str(&fs::read_to_string(place.path("p.json")).unwrap()).unwrap()
}

/// What every profile must hold.
fn is_whole(p: &Profile) {
    assert!(p.nodes.len() > 50);
    for n in &p.nodes {
        let place = format!("{} {}", n.layer, n.ops);
        assert!(!n.ops.is_empty() && ["forward", "backward", "update"].contains(&n.pass.as_str()), "{place}");
        assert!(n.us >= 0.0 && n.start_us >= 0.0 && n.bytes > 0.0, "{place}");
        assert!(n.reached.is_none_or(f64::is_finite), "{place}");
    }
    for pass in ["forward", "backward", "update"] {
        assert!(p.nodes.iter().any(|n| n.pass == pass), "{pass}");
    }
    assert!(p.nodes_us() > 0.0 && p.plain_us > 0.0 && p.profiled_us > 0.0);
    let t = p.training.expect("steps as in training");
    assert!(t.step_us > 0.0 && (0.0..=t.step_us).contains(&t.images_us), "{t:?}");
    let c = p.ceilings.as_ref().expect("what the device can do was measured");
    assert!(c.f32_gops > 0.0 && c.bit_gops > 0.0 && c.copy_gbs > 0.0);
}

#[test]
fn an_adapter_times_every_command() {
    let place = Place::new();
    let p = profile(&place, &["--device", "vulkan", "--trace", "t.json"]);
    is_whole(&p);
    assert_eq!((p.clock, &p.note), (Clock::Timestamps, &None));
    assert!(p.nodes.iter().all(|n| n.commands > 0 && n.kernels.len() == n.commands), "every node has its commands");
    assert!(p.device_us.is_some_and(|us| us > 0.0));
    let trace: Value = serde_json::from_str(&fs::read_to_string(place.path("t.json")).unwrap()).unwrap();
    check_trace(&trace, &p);
}

/// Against the Trace Event Format: metadata and complete events, with the fields that each must have, and slices of one
/// row that do not overlap but by rounding.
fn check_trace(trace: &Value, p: &Profile) {
    let events = trace["traceEvents"].as_array().expect("an array of events");
    let mut rows: std::collections::BTreeMap<u64, Vec<(f64, f64)>> = Default::default();
    for e in events {
        assert!(e["name"].is_string() && e["pid"].is_u64() && e["tid"].is_u64() && e["args"].is_object(), "{e}");
        match e["ph"].as_str().expect("a phase") {
            "M" => assert!(["process_name", "thread_name", "thread_sort_index"].contains(&e["name"].as_str().unwrap())),
            "X" => {
                let (at, us) = (e["ts"].as_f64().expect("ts"), e["dur"].as_f64().expect("dur"));
                assert!(at >= 0.0 && us >= 0.0 && e["cat"].is_string(), "{e}");
                rows.entry(e["tid"].as_u64().unwrap()).or_default().push((at, us));
            }
            other => panic!("no event of this trace is a {other}"),
        }
    }
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4], "host, passes, layers, nodes");
    assert_eq!(rows[&4].len(), p.nodes.len());
    for slices in rows.values() {
        for pair in slices.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0 + 0.5, "{pair:?} overlap");
        }
    }
}

#[test]
fn without_timestamps_nodes_are_waited_for() {
    let place = Place::new();
    let p = profile(&place, &["--device", "vulkan", "--waits"]);
    is_whole(&p);
    assert_eq!(p.clock, Clock::Waits);
    assert!(p.note.is_some_and(|n| n.contains("waited for")));
    let p = profile(&place, &["--device", "cpu"]);
    is_whole(&p);
    assert!(p.clock == Clock::Waits && p.device_us.is_none());
}

#[test]
fn wrong_use() {
    let place = Place::new();
    let run = |args: &[&str]| place.run(&small(&[&["--device", "cpu"], args].concat()));
    run(&["--trace", "no/folder/t.json"]).fails_with(&["no/folder/t.json"]);
    place.run(&["profile", "fashion-binery"]).fails_with(&["did you mean fashion-binary?"]);
    place.run(&["profile", "--steps", "0"]).fails_with(&["--steps 0"]);
    place.run(&["profile", "--device", "radeon"]).fails_with(&["radeon"]);
}
