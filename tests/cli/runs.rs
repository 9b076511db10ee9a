//! What a run must survive, and what it must know of its images.

use crate::program::{Outcome, Place, finish, tiny, wait_for};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use toml::Table;

/// A small recipe as a user would write it.
const RECIPE: &str = r#"
description = "tiny"
method = "supervised"
epochs = 1
batch = 2
lr = 1e-3

[net]
kind = "convnet"
binary = true
widths = [8, 8, 8, 8]

[optimiser]
kind = "adam"

[schedule]
kind = "cosine"
"#;

pub fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A set of pictures that lies with the tests.
fn field(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field").join(name)
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// A place with the recipe, and a run `r` of three classes (ant, bee, cow) that tells all their pictures apart.
pub fn insects() -> Place {
    let place = Place::new();
    fs::write(place.path("tiny.toml"), RECIPE).unwrap();
    copy(&field("classes-by-position"), &place.path("."));
    copy(&field("eval-fewer-classes"), &place.path("."));
    let train = "train tiny.toml --data col3 --set batch=3 --epochs 60 --set lr=0.01 --device cpu --out r";
    place.run(&train.split(' ').collect::<Vec<_>>()).ok();
    place
}

/// What it said, on both streams.
pub fn said(o: &Outcome) -> String {
    format!("{}{}", o.out, o.err)
}

pub fn run(place: &Place, line: &str) -> Outcome {
    place.run(&line.split(' ').collect::<Vec<_>>())
}

/// The command must have gone well; it may have said notes.
pub fn goes(place: &Place, line: &str) -> Outcome {
    let o = run(place, line);
    assert_eq!(o.code, Some(0), "{line}: {}", said(&o));
    o
}

fn spawned(place: &Place, line: &str) -> Child {
    place.command(&line.split(' ').collect::<Vec<_>>()).spawn().unwrap()
}

#[cfg(unix)]
fn interrupt(child: Child) -> Outcome {
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    finish(child)
}

/// A run `r` of many epochs that was stopped after some of them.
#[cfg(unix)]
fn stopped(place: &Place) {
    let args = tiny("r", &["--epochs", "400"]);
    let mut child = place.command(&args.iter().map(String::as_str).collect::<Vec<_>>()).spawn().unwrap();
    wait_for(&place.path("r/checkpoints/best.safetensors"), &mut child);
    assert_eq!(interrupt(child).code, Some(130));
}

#[cfg(unix)]
#[test]
fn a_run_is_trained_by_one_process_at_a_time() {
    let place = Place::new();
    stopped(&place);
    let mut first = spawned(&place, "train --resume --out r");
    let process = first.id().to_string();
    wait_for(&place.path("r/.lock-holder"), &mut first);
    run(&place, "train --resume --out r")
        .fails_with(&["r: this run is being trained by", &format!("process {process}")]);
    // A second run of that name is another run; and looking at the first one is allowed.
    goes(&place, "eval r --device cpu");
    // A process that was killed leaves nothing that stops the next one.
    first.kill().unwrap();
    first.wait().unwrap();
    let mut next = spawned(&place, "train --resume --out r");
    let before = fs::read(place.path("r/metrics.jsonl")).unwrap().len();
    while fs::read(place.path("r/metrics.jsonl")).unwrap().len() <= before {
        assert!(next.try_wait().unwrap().is_none(), "it does not go on");
    }
    assert_eq!(interrupt(next).code, Some(130));
    assert!(!place.path("r/.lock-holder").exists());
}

#[test]
fn a_bit_that_turned_in_a_checkpoint_is_refused_by_all_that_read_it() {
    let place = Place::new();
    let more = ["--set", "data.train_images=60", "--set", "batch=20"];
    place.train("r", &[&more[..], &["--epochs", "2"]].concat()).ok();
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let path = place.checkpoint("r");
    let whole = fs::read(&path).unwrap();
    // A turned bit in the middle of the tensors, in the last of them, and in the epoch that the header tells.
    let epoch = whole.windows(9).position(|w| w == br#""epoch\":"#.as_slice()).expect("the epoch") + 10;
    for at in [whole.len() / 2, whole.len() - 3, epoch] {
        let mut turned = whole.clone();
        turned[at] ^= 1;
        fs::write(&path, &turned).unwrap();
        for line in [
            "eval r --device cpu --checkpoint last",
            "train --resume --out r",
            "export r -o m.1bit --checkpoint last",
            "embed r --device cpu --checkpoint last",
            "train fashion-binary --from r --epochs 1 --set net.widths=[8,8,8,8] --out s --device cpu",
        ] {
            run(&place, line).fails_with(&["last.safetensors", "checksum"]);
        }
        assert!(!place.path("s").exists() && !place.path("m.1bit").exists());
    }
    fs::write(&path, &whole).unwrap();
    goes(&place, "eval r --device cpu --checkpoint last");
    // A checkpoint of an earlier version has none: it is read, and that is said.
    let seal = br#"{\"crc32\":\""#;
    let seal = whole.windows(seal.len()).position(|w| w == seal).expect("a checksum");
    let mut old = whole.clone();
    old[seal + 4] = b'x';
    fs::write(&path, &old).unwrap();
    let o = goes(&place, "eval r --device cpu --checkpoint last");
    assert!(o.err.contains("last.safetensors has no checksum"), "{}", o.err);
}

#[cfg(unix)]
#[test]
fn a_missing_checkpoint_is_an_error_and_nothing_is_touched() {
    let place = Place::new();
    stopped(&place);
    let content = |name: &str| fs::read(place.path(&format!("r/{name}"))).ok();
    let all = || ["metrics.jsonl", "checkpoints/best.safetensors", "config.toml"].map(content);
    fs::remove_file(place.checkpoint("r")).unwrap();
    let before = all();
    run(&place, "train --resume --out r").fails_with(&[
        "last.safetensors",
        "no checkpoint to go on from",
        "best.safetensors",
    ]);
    assert!(all() == before && !place.checkpoint("r").exists());
    // What the message says works.
    let from = "train fashion-binary --from r/checkpoints/best.safetensors --epochs 1 --device cpu --out s \
                --set net.widths=[8,8,8,8] --set data.train_images=100 --set batch=50";
    assert!(goes(&place, from).out.contains("start   "), "it does not say what it started from");
    fs::remove_dir_all(place.path("r/checkpoints")).unwrap();
    let before = all();
    run(&place, "train --resume --out r").fails_with(&["last.safetensors", "best.safetensors"]);
    assert!(all() == before && !place.path("r/checkpoints").exists());
}

#[test]
fn a_result_is_told_also_where_it_cannot_be_written() {
    let place = Place::new();
    place.train("r", &["--epochs", "1"]).ok();
    // Even a user who may do everything cannot write a file where a folder is.
    fs::create_dir(place.path("r/eval.json.tmp")).unwrap();
    fs::create_dir(place.path("r/protocols.json.tmp")).unwrap();
    let o = goes(&place, "eval r --device cpu");
    assert!(o.out.contains("top-1") && o.err.contains("could not be written"), "{}", said(&o));
    let o = goes(&place, "eval r --device cpu --json");
    serde_json::from_str::<Value>(&o.out).unwrap();
    let o = goes(&place, "eval r --device cpu --protocol linear");
    assert!(o.out.contains("linear") && o.err.contains("could not be written"), "{}", said(&o));
}

#[test]
fn means_and_deviations_that_do_not_fit_are_refused() {
    let place = insects();
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let config = fs::read_to_string(place.path("r/config.toml")).unwrap();
    let line = |key: &str| config.lines().find(|l| l.starts_with(&format!("{key} = ["))).unwrap().to_string();
    let bad = [
        ("mean", "[0.5]", "run.mean"),
        ("mean", "[]", "run.mean"),
        ("mean", "[0.5, nan, 0.5]", "run.mean"),
        ("std", "[0.5, 0.5]", "run.std"),
        ("std", "[0.5, 0.0, 0.5]", "run.std"),
        ("std", "[0.5, -1.0, 0.5]", "run.std"),
        ("std", "[0.5, inf, 0.5]", "run.std"),
    ];
    for (key, value, told) in bad {
        fs::write(place.path("r/config.toml"), config.replace(&line(key), &format!("{key} = {value}"))).unwrap();
        for command in ["train --resume --out r", "eval r --device cpu", "export r -o m.1bit"] {
            run(&place, command).fails_with(&["config.toml", told]);
        }
    }
}

/// An edit that could be right says other numbers than those of the run: whatever reads its weights refuses it by name.
#[test]
fn an_edit_between_a_checkpoint_and_its_record_is_refused_by_all_that_read_it() {
    let place = insects();
    let config = fs::read_to_string(place.path("r/config.toml")).unwrap();
    // Of a key that two tables have, the record's own.
    let line = |key: &str| config.lines().rfind(|l| l.starts_with(&format!("{key} = "))).unwrap();
    let edits = [
        ("classes", "classes = [\"ant\", \"cow\", \"bee\"]\n", "run.classes"),
        ("mean", "mean = [0.1, 0.1, 0.1]\n", "run.mean"),
        ("standardise", "standardise = true\n", "net.binarization.standardise"),
        ("val_images", "val_images = 7\n", "run.val_images"),
        ("lr", "lr = 0.02\n", "lr = 0.01"),
        ("background", "background = \"black\"\n", "data.background"),
    ];
    for (key, value, told) in edits {
        let edited = config.replace(&format!("{}\n", line(key)), value);
        assert_ne!(edited, config);
        fs::write(place.path("r/config.toml"), edited).unwrap();
        let commands = [
            "train --resume --out r --epochs 61",
            "eval r --device cpu",
            "export r -o m.1bit",
            "embed r --device cpu",
            "train tiny.toml --data col3 --from r --device cpu --out x",
        ];
        commands.into_iter().for_each(|command| drop(run(&place, command).fails_with(&[told, "config.toml"])));
    }
    let (run_table, fingerprint) = (config.find("[run]").unwrap(), "\ndata = \"");
    let at = run_table + config[run_table..].find(fingerprint).unwrap() + 1;
    let end = at + config[at..].find('\n').unwrap() + 1;
    fs::write(place.path("r/config.toml"), format!("{}{}", &config[..at], &config[end..])).unwrap();
    run(&place, "train --resume --out r --epochs 61").fails_with(&["run.data", "nothing"]);
    // What no weight depends on so far is refused before anything of the run is changed.
    fs::write(place.path("r/config.toml"), config.replace("most_skipped = 0.01\n", "most_skipped = 0.5\n")).unwrap();
    let before = fs::read_to_string(place.path("r/config.toml")).unwrap();
    run(&place, "train --resume --out r --epochs 61").fails_with(&["another recipe"]);
    assert_eq!(fs::read_to_string(place.path("r/config.toml")).unwrap(), before);
    assert!(place.path("r/summary.json").exists());
    // A table of runs is of settings that were trained with.
    fs::write(place.path("r/config.toml"), config.replace("lr = 0.01\n", "lr = 0.02\n")).unwrap();
    let told = said(&run(&place, "compare r"));
    assert!(told.contains("r/summary.json") && told.contains("another recipe"), "{told}");
    fs::write(place.path("r/config.toml"), &config).unwrap();
    goes(&place, "eval r --device cpu");
    let summary = fs::read_to_string(place.path("r/summary.json")).unwrap();
    let mut edited: Value = serde_json::from_str(&summary).unwrap();
    edited["test_accuracy"] = 1.7.into();
    fs::write(place.path("r/summary.json"), edited.to_string()).unwrap();
    let told = said(&run(&place, "compare r"));
    assert!(told.contains("r/summary.json") && told.contains("test_accuracy = 1.7"), "{told}");
}

/// Every setting of a run's record with values that make no sense, and some that do: it goes on, or says what is wrong.
#[test]
fn an_edited_record_never_brings_the_program_down() {
    let place = insects();
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let config: Table = fs::read_to_string(place.path("r/config.toml")).unwrap().parse().unwrap();
    let keys = leaves(&config, "");
    assert!(keys.len() > 50, "{keys:?}");
    let nasty = ["-1", "0", "nan", "1e300", "9223372036854775807", "\"\"", "[]", "[[]]", "true"];
    for (i, key) in keys.iter().enumerate() {
        // Each key meets every value once in so many runs of the test; each value meets every kind of key.
        for n in 0..3 {
            let value = nasty[(i + 3 * n) % nasty.len()];
            let mut edited = config.clone();
            *at(&mut edited, key) = format!("v = {value}").parse::<Table>().unwrap().remove("v").unwrap();
            fs::write(place.path("r/config.toml"), toml::to_string(&edited).unwrap()).unwrap();
            let command = if n == 0 { "train --resume --out r" } else { "eval r --device cpu" };
            let o = run(&place, command);
            assert!(matches!(o.code, Some(0 | 2)), "{command} with {key} = {value}: {:?} {}", o.code, said(&o));
            let _ = fs::remove_file(place.path("r/summary.json"));
        }
    }
    let unknown = format!("nonsense = 1\n{}", toml::to_string(&config).unwrap());
    fs::write(place.path("r/config.toml"), unknown).unwrap();
    run(&place, "eval r").fails_with(&["config.toml", "nonsense"]);
}

/// The dotted keys of all values in a table.
fn leaves(table: &Table, above: &str) -> Vec<String> {
    let one = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Table(t) => leaves(t, &format!("{above}{key}.")),
        _ => vec![format!("{above}{key}")],
    };
    table.iter().flat_map(one).collect()
}

fn at<'a>(table: &'a mut Table, key: &str) -> &'a mut toml::Value {
    match key.split_once('.') {
        None => table.get_mut(key).unwrap(),
        Some((first, rest)) => at(table.get_mut(first).unwrap().as_table_mut().unwrap(), rest),
    }
}

/// Lines of one kind of a run's metrics.jsonl.
pub fn metrics(place: &Place, run: &str, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(&format!("{run}/metrics.jsonl"))).unwrap();
    let lines = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    lines.filter(|l| l["kind"] == kind).collect()
}

#[test]
fn a_history_that_is_lost_is_told_and_what_is_left_is_kept() {
    let place = Place::new();
    place.train("r", &["--epochs", "1"]).ok();
    fs::remove_file(place.path("r/metrics.jsonl")).unwrap();
    let o = goes(&place, "train --resume --out r --epochs 2");
    assert!(o.out.contains("metrics.jsonl is missing") && o.out.contains("until step 6 is lost"), "{}", o.out);
    let kept = fs::read_to_string(place.path("r/metrics-until-6.csv")).unwrap();
    assert!(kept.contains("\n1,6,epoch,train,300,"), "{kept}");
}

#[test]
fn a_run_goes_on_as_the_recipe_that_it_is_of() {
    let place = Place::new();
    place.train("r", &["--epochs", "1"]).ok();
    fs::remove_file(place.path("r/summary.json")).unwrap();
    run(&place, "train small-sign --resume --out r").fails_with(&["fashion-binary", "small-sign", "--out"]);
    goes(&place, "train fashion-binary --resume --out r");
}

#[test]
fn what_is_no_network_to_start_from_is_told_as_what_it_is() {
    let place = Place::new();
    place.train("r", &["--epochs", "1"]).ok();
    goes(&place, "export r -o a.1bit");
    fs::write(place.path("notes.txt"), "weights").unwrap();
    let from = |what: &str| run(&place, &format!("train fashion-binary --from {what} --out s --device cpu"));
    from("a.1bit").fails_with(&["a.1bit", "packed model", "run directory"]);
    from("notes.txt").fails_with(&["notes.txt", "the file is text", "safetensors"]);
    from("nowhere").fails_with(&["nowhere", "not there"]);
}

#[test]
fn a_place_that_cannot_be_written_and_was_not_asked_for_is_told_with_the_flag() {
    let place = Place::new();
    place.train("r", &["--epochs", "1"]).ok();
    // Even a user who may do everything cannot write a file where a folder is.
    for name in ["network.safetensors.tmp", "curves.svg.tmp", "embed.tmp"] {
        fs::create_dir(place.path("r").join(name)).unwrap();
    }
    fs::write(place.path("r/embed"), "").unwrap();
    for command in ["export r", "report r", "embed r --device cpu"] {
        run(&place, command).fails_with(&["r/", "name another place with --out"]);
    }
    goes(&place, "report r --out elsewhere");
}

#[test]
fn each_form_that_ships_has_a_name_of_its_own() {
    let place = Place::new();
    place.train("r", &[]).ok();
    for (form, made) in [
        ("1bit", "model.1bit"),
        ("onnx", "model.onnx"),
        ("web", "page/index.html"),
        ("safetensors", "network.safetensors"),
    ] {
        place.run(&["export", "r", "--to", form]).ok();
        assert!(place.path("r").join(made).is_file(), "{form}");
    }
    place.run(&["export", "r", "--to", "web", "--out", "x.1bit"]).fails_with(&["--to", "x.1bit", "two forms"]);
    place.run(&["export", "r", "--to", "1bit", "--out", "x"]).ok();
    assert!(place.path("x").is_file() && !place.path("x.1bit").exists());
}

#[test]
fn images_that_fill_no_step_are_told() {
    let place = Place::new();
    let few = ["--set", "data.train_images=90", "--set", "batch=50", "--epochs", "1"];
    let out = place.run(&[&["train", "fashion-binary", "--device", "cpu", "--out", "few"], &few[..]].concat()).ok().out;
    assert!(out.contains("1 steps of 50 images") && out.contains("leaves 40 of 90 images out"), "{out}");
    assert!(out.contains("--set batch=11 "), "{out}");
}
