//! What a run logs for other programs: TensorBoard's own reader reads the events, the table is whole, and a run that was killed
//! logs what one that was not logs. A terminal shows curves, and nothing else does.

use crate::program::{Place, tiny, wait_for};
use crate::python::python;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// Runs a script of `tests/` with Python; what it wrote.
fn script(name: &str, package: &str, args: &[&str], place: &Place) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let out = Command::new(python(package))
        .arg(path)
        .args(args)
        .current_dir(place.path(""))
        .env("ONEBIT_CACHE", place.path("cache"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The table of a run: a line a map from its columns.
fn table(place: &Place, run: &str) -> Vec<BTreeMap<String, String>> {
    let mut read = csv::Reader::from_path(place.path(run).join("metrics.csv")).unwrap();
    read.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn a_killed_run_logs_what_one_that_was_not_logs() {
    let place = Place::new();
    let settings =
        ["--set", "epochs=8", "--set", "batch=10", "--set", "checkpoint.every_steps=7", "--set", "data.val=0.02"];
    place.train("whole", &settings).ok();
    let start = tiny("killed", &settings);
    for pause in [150, 90, 210, 60] {
        let fresh = !place.checkpoint("killed").exists();
        let args: Vec<&str> = match fresh {
            true => start.iter().map(String::as_str).collect(),
            false => ["train", "--resume", "--out", "killed"].to_vec(),
        };
        let mut child = place.command(&args).spawn().unwrap();
        if fresh {
            wait_for(&place.checkpoint("killed"), &mut child);
        }
        sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.run(&["train", "--resume", "--out", "killed"]).ok();
    let tables = ["whole", "killed"].map(|run| {
        let mut rows = table(&place, run);
        // The one thing that depends on the machine.
        rows.iter_mut().for_each(|row| drop(row.remove("images_per_second")));
        rows
    });
    assert_eq!(tables[0], tables[1]);
    let of = |every: &str, part: &str| tables[0].iter().filter(|r| r["every"] == every && r["part"] == part).count();
    // 30 steps an epoch, a line every ten of them.
    assert_eq!((of("steps", "train"), of("epoch", "train"), of("epoch", "val")), (24, 8, 8), "{:?}", tables[0]);
    assert_eq!(of("epoch", "test"), 1, "{:?}", tables[0]);
    let of_test = tables[0].iter().find(|r| r["part"] == "test").expect("the test at the end");
    assert_eq!(of_test["images"], "100");
    let read: Value =
        serde_json::from_str(&script("read_events.py", "tensorboard", &["killed"], &place)).expect("the reader's JSON");
    // What stands in the files and what a page shows of them is the same, and nothing is there twice.
    assert_eq!(read["shown"].as_object().unwrap().len(), read["written"].as_object().unwrap().len());
    for (tag, written) in read["written"].as_object().unwrap() {
        let mut written: Vec<(u64, u64)> = pairs(written);
        written.sort_unstable();
        assert_eq!(written, pairs(&read["shown"][tag]), "{tag}");
        let steps: BTreeSet<u64> = written.iter().map(|w| w.0).collect();
        assert_eq!(steps.len(), written.len(), "{tag}: {written:?}");
    }
    // And it is what the table says.
    for (tag, every, part, column) in [
        ("loss/train", "steps", "train", "loss"),
        ("accuracy/train, mean of the epoch", "epoch", "train", "accuracy"),
        ("accuracy/val", "epoch", "val", "accuracy"),
        ("top5/val", "epoch", "val", "top5"),
        ("accuracy/test", "epoch", "test", "accuracy"),
        ("lr/train", "steps", "train", "lr"),
    ] {
        let rows = tables[0].iter().filter(|r| r["every"] == every && r["part"] == part && !r[column].is_empty());
        let wanted: Vec<(u64, u64)> = rows
            .map(|r| (r["steps"].parse().unwrap(), f64::from(r[column].parse::<f64>().unwrap() as f32).to_bits()))
            .collect();
        assert_eq!(wanted, pairs(&read["shown"][tag]), "{tag}");
    }
    assert!(read["shown"].as_object().unwrap().keys().any(|tag| tag.starts_with("flip rate/")), "{read}");
}

/// Steps, and the bits of the values at them.
fn pairs(list: &Value) -> Vec<(u64, u64)> {
    let one = |p: &Value| (p[0].as_u64().unwrap(), p[1].as_f64().unwrap().to_bits());
    list.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn what_a_method_logs_gets_columns_of_its_own() {
    let place = Place::new();
    let mut args =
        ["train", "small-swav", "--out", "run", "--device", "cpu", "--epochs", "2"].map(String::from).to_vec();
    for s in ["data.train_images=200", "data.test_images=50", "batch=50", "net.widths=[4,4,8,8]", "swav.prototypes=12"]
    {
        args.extend(["--set".to_string(), s.to_string()]);
    }
    let out = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok().out;
    let rows = table(&place, "run");
    // What is guessed without labels is no accuracy, wherever it stands.
    assert!(out.contains("agreement in the task without labels") && !out.contains("train accuracy"), "{out}");
    for row in rows.iter().filter(|r| r["part"] == "train" && !r["images"].is_empty()) {
        assert!(row["accuracy"].is_empty() && !row["agreement"].is_empty(), "{row:?}");
    }
    let events = script("read_events.py", "tensorboard", &["run"], &place);
    assert!(events.contains("\"agreement/train\"") && !events.contains("\"accuracy/train"), "{events}");
    let own: Vec<&String> =
        rows[0].keys().filter(|k| !["epoch", "steps", "every", "part", "images"].contains(&k.as_str())).collect();
    assert!(own.len() > 5, "{own:?}");
    let logged = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let means: Vec<Value> = logged.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let means: Vec<&Value> = means.iter().filter(|m| m["kind"] == "means").collect();
    assert_eq!(means.len(), 2);
    for (name, value) in means[1]["values"].as_object().unwrap() {
        let mut found = rows.iter().filter(|r| !r[name].is_empty()).map(|r| r[name].parse::<f64>().unwrap());
        assert_eq!(found.next_back(), value.as_f64(), "{name}");
    }
}

/// Any of the characters that curves are drawn with.
fn has_curves(text: &str) -> bool {
    text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
}

#[cfg(unix)]
#[test]
fn a_terminal_shows_curves_and_nothing_else_does() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_onebit");
    let in_terminal = |out: &str, more: &[&str]| {
        let args = tiny(out, more);
        let args: Vec<&str> = std::iter::once(program).chain(args.iter().map(String::as_str)).collect();
        script("in_terminal.py", "pty", &args, &place)
    };
    let shown = in_terminal("seen", &["--set", "batch=10"]);
    assert!(has_curves(&shown) && shown.contains("training loss") && shown.contains("train accuracy, %"), "{shown}");
    // What stays is behind what was said of the last epoch, and before the result.
    let result = shown.rfind("after 3 epochs").expect("the result");
    assert!(has_curves(&shown[shown.rfind("epoch   3").expect("the last test")..result]), "{shown}");
    for (run, more) in [("json", "--json"), ("quiet", "--quiet")] {
        let shown = in_terminal(run, &[more]);
        assert!(!has_curves(&shown), "{shown}");
    }
    let quiet = place.train("still", &["--quiet"]).ok();
    assert!(quiet.out.starts_with("test accuracy ") && !quiet.out.contains("epoch   1"), "{}", quiet.out);
    let piped = place.train("piped", &[]).ok();
    assert!(!has_curves(&piped.out) && piped.out.contains("epoch   3"), "{}", piped.out);
    // Also while an epoch goes on, a share says of how many images it is.
    let going_on = piped.out.lines().find(|l| l.contains(" images/s")).expect("a line of progress");
    assert!(going_on.contains(" % of 50 images  "), "{going_on}");
}
