//! What a run must survive, and what it must know of its images.

use crate::golden::golden;
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
fn said(o: &Outcome) -> String {
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
        ("mean", "[0.5]", "mean has 1 numbers, the images have 3 channels"),
        ("mean", "[]", "mean has 0 numbers, the images have 3 channels"),
        ("mean", "[0.5, nan, 0.5]", "run.mean"),
        ("std", "[0.5, 0.5]", "std has 2 numbers, the images have 3 channels"),
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

#[test]
fn classes_are_matched_by_name() {
    let place = insects();
    let own = goes(&place, "eval r --device cpu");
    assert!(own.out.contains("top-1 100.00 %") && own.out.contains(" test images)"), "{}", own.out);
    let both = &["bee, cow, dog", "ant, bee, cow", "by name"];
    run(&place, "eval r --data other --device cpu").fails_with(both);
    run(&place, "export r --data other -o m.1bit").fails_with(both);
    // The names are in the record and in the model, in the order of the outputs.
    let config: Table = fs::read_to_string(place.path("r/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["run"]["classes"].to_string().replace('"', ""), "[ant, bee, cow]");
    goes(&place, "export r -o m.1bit");
    let named = goes(&place, "predict m.1bit col3/test/cow/0.png col3/test/ant/0.png --csv").out;
    let lines: Vec<&str> = named.lines().filter(|l| l.contains(".png")).collect();
    assert!(lines.len() == 2 && lines[0].contains(",cow,") && lines[1].contains(",ant,"), "{named}");

    // Other classes in the run's own folder.
    let classes = ["col3/train", "col3/test"].map(|p| place.path(p));
    for part in &classes {
        fs::rename(part.join("ant"), part.join("dog")).unwrap();
    }
    run(&place, "eval r --device cpu").fails_with(both);
    run(&place, "export r -o n.1bit").fails_with(both);
    assert!(!place.path("n.1bit").exists());
    fs::remove_file(place.path("r/summary.json")).unwrap();
    run(&place, "train --resume --out r").fails_with(&["col3", "not the images that the run r began with"]);
}

#[test]
fn fewer_classes_are_tested_on_and_that_is_said() {
    let place = insects();
    let o = goes(&place, "eval r --data two --device cpu --json");
    assert!(o.err.contains("2 of the 3 classes") && o.err.contains("ant"), "{}", o.err);
    let found: Value = serde_json::from_str(&o.out).unwrap();
    assert_eq!((&found["part"], &found["images"], &found["accuracy"]), (&"test".into(), &8.into(), &1.0.into()));
    assert_eq!(found["classes"][0]["recall"], Value::Null);
    // One class, as a folder of it and as that folder's own path; all images of a set that has no parts.
    for path in ["two/test/bee", "one"] {
        copy(&place.path("two/test/bee"), &place.path("one/bee"));
        let o = goes(&place, &format!("eval r --data {path} --device cpu --json"));
        let found: Value = serde_json::from_str(&o.out).unwrap();
        assert_eq!((&found["part"], &found["images"]), (&"all".into(), &4.into()), "{path}");
        assert_eq!(found["classes"][1]["recall"], 1.0, "{path}");
    }
    let o = goes(&place, "eval r --data two/test --device cpu");
    assert!(o.out.contains("(8 images, all of the set)"), "{}", o.out);
    // No folder tells a class.
    copy(&place.path("two/test/bee"), &place.path("pictures"));
    run(&place, "eval r --data pictures --device cpu").fails_with(&["pictures", "no labels", "ant, bee, cow"]);
}

#[test]
fn another_head_starts_anew_and_says_so() {
    let place = insects();
    let start = "train tiny.toml --device cpu --epochs 1";
    // Other classes, of the same number and of another one.
    let o = goes(&place, &format!("{start} --data other --from r --out a"));
    assert!(o.out.contains("starts anew") && o.out.contains("ant, bee, cow"), "{}", o.out);
    let o = goes(&place, &format!("{start} --data two --from r/checkpoints/last.safetensors --out b"));
    assert!(o.out.contains("starts anew"), "{}", o.out);
    // The same ones: all is taken over, and a step at rate 0 changes nothing of what is learned.
    let o = goes(&place, &format!("{start} --data col3 --from r --set lr=0 --out c"));
    assert!(o.out.contains("start   ") && !o.out.contains("starts anew"), "{}", o.out);
    assert_eq!(json(&place.path("c/summary.json"))["test_accuracy"], 1.0);
    run(&place, &format!("{start} --data col3 --from nowhere --out d")).fails_with(&["nowhere", "--from"]);
    // Weights made elsewhere, of five classes.
    let net = "--set net.kind=resnet18 --set net.widths=[8,8,16,16,16] --set net.stem=imagenet --set net.binary=false";
    let weights = golden("foreign/resnet18.safetensors").display().to_string();
    let o = goes(&place, &format!("{start} --data col3 --set data.size=[64,64] {net} --from {weights} --out f"));
    assert!(o.out.contains("starts anew") && o.out.contains("(5, whose names are not known)"), "{}", o.out);
    // Of the chosen classes there is none: both lists of names tell it.
    goes(&place, &format!("{start} --data col3 --set data.classes=[0,1] --out g"));
    copy(&place.path("other/test/dog"), &place.path("strange/test/dog"));
    copy(&place.path("other/test/dog"), &place.path("strange/test/emu"));
    run(&place, "eval g --data strange --device cpu").fails_with(&["dog, emu", "ant, bee", "by name"]);
    let clash = run(&place, "train --resume --out r --from a");
    assert!(clash.code == Some(2) && clash.err.contains("--from"), "{}", said(&clash));
}

/// Lines of one kind of a run's metrics.jsonl.
fn metrics(place: &Place, run: &str, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(&format!("{run}/metrics.jsonl"))).unwrap();
    let lines = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    lines.filter(|l| l["kind"] == kind).collect()
}

#[test]
fn validation_images_choose_and_the_test_images_are_looked_at_once() {
    let place = Place::new();
    let o = place.train("r", &["--epochs", "6", "--set", "data.val=0.05", "--set", "lr=0.02"]).ok();
    let summary = json(&place.path("r/summary.json"));
    let validations = metrics(&place, "r", "val");
    let best = validations.iter().map(|v| v["accuracy"].as_f64().unwrap()).fold(0.0, f64::max);
    let first = validations.iter().find(|v| v["accuracy"] == best).unwrap();
    assert_eq!(validations.len(), 6);
    assert_eq!((&summary["best_val_accuracy"], &summary["best_val_epoch"]), (&best.into(), &first["epoch"]));
    assert_eq!(summary["val_accuracy"], validations[5]["accuracy"]);
    assert_eq!((&summary["val_images"], &first["images"]), (&first["images"], &summary["val_images"]));
    let tests = metrics(&place, "r", "test");
    assert_eq!((tests.len(), &tests[0]["accuracy"]), (1, &summary["test_accuracy"]));
    assert_eq!((&tests[0]["epoch"], &summary["chosen_epoch"]), (&first["epoch"], &first["epoch"]));
    assert_eq!((&summary["test_images"], &tests[0]["images"]), (&100.into(), &100.into()));
    for said in ["val accuracy", "of 100 images", "best checkpoint on", "tested once at the end on 100 test images"] {
        assert!(o.out.contains(said), "{said}: {}", o.out);
    }
    // `eval` looks at the chosen checkpoint and the test part, or at what is asked for.
    let eval =
        |more: &str| -> Value { serde_json::from_str(&goes(&place, &format!("eval r --json{more}")).out).unwrap() };
    let chosen = eval("");
    assert_eq!((&chosen["accuracy"], &chosen["epoch"]), (&summary["test_accuracy"], &first["epoch"]));
    assert!(chosen["checkpoint"].as_str().unwrap().ends_with("best.safetensors"), "{chosen}");
    let val = eval(" --part val");
    assert_eq!((&val["part"], &val["accuracy"], &val["images"]), (&"val".into(), &best.into(), &first["images"]));
    assert_eq!(eval(" --part val --checkpoint last")["accuracy"], validations[5]["accuracy"]);
    assert_eq!(eval(" --part train")["images"], 300);
}

#[test]
fn without_validation_images_nothing_is_chosen_and_that_is_said() {
    let place = Place::new();
    let o = place.train("r", &["--epochs", "3"]).ok();
    assert!(o.out.contains("no validation images") && o.out.contains("epoch   2  train accuracy"), "{}", o.out);
    let summary = json(&place.path("r/summary.json"));
    assert_eq!((&summary["chosen_epoch"], &summary["val_images"]), (&3.into(), &0.into()));
    assert_eq!((&summary["best_val_accuracy"], metrics(&place, "r", "test").len()), (&Value::Null, 1));
    place.train("s", &["--set", "patience=2"]).fails_with(&["patience = 2", "data.val=0.1"]);
}

#[test]
fn training_ends_when_validation_gets_no_better() {
    let place = Place::new();
    // At rate 0 the statistics alone change.
    let more = ["--epochs", "40", "--set", "lr=0", "--set", "patience=1", "--set", "data.val=0.02"];
    let o = place.train("r", &more).ok();
    let summary = json(&place.path("r/summary.json"));
    assert!(o.out.contains("stopped early"), "{}", o.out);
    let (epochs, best) = (summary["epochs"].as_u64().unwrap(), summary["best_val_epoch"].as_u64().unwrap());
    assert!(epochs == best + 1 && epochs < 40 && summary["stopped_early"] == true, "{summary}");
    let done = goes(&place, "train --resume --out r").out;
    assert!(done.contains("finished"), "{done}");
    // The test is of the best checkpoint, and stands at its step.
    let test = &metrics(&place, "r", "test")[0];
    assert_eq!((&test["epoch"], &test["of_steps"]), (&best.into(), &(6 * best).into()));
    let table = fs::read_to_string(place.path("r/metrics.csv")).unwrap();
    let row = format!("\n{best},{},epoch,test,100,", 6 * best);
    assert!(table.contains(&row), "{row} in {table}");
    // More epochs would train nothing: that is said, and nothing is touched.
    let record = || ["config.toml", "summary.json"].map(|name| fs::read(place.path("r").join(name)).unwrap());
    let before = record();
    run(&place, "train --resume --out r --epochs 50").fails_with(&[
        "--epochs 50",
        "ended early",
        "patience = 1",
        "--set patience",
    ]);
    assert!(record() == before);
}

#[test]
fn a_chosen_checkpoint_that_is_missing_is_an_error() {
    let place = Place::new();
    place.train("r", &["--epochs", "3", "--set", "data.val=0.05"]).ok();
    fs::remove_file(place.path("r/checkpoints/best.safetensors")).unwrap();
    let record = || ["config.toml", "summary.json"].map(|name| fs::read(place.path("r").join(name)).unwrap());
    let before = record();
    for line in [
        "eval r --device cpu",
        "export r -o m.1bit",
        "embed r --device cpu",
        "train fashion-binary --from r --epochs 1 --set net.widths=[8,8,8,8] --out s --device cpu",
        "train --resume --out r --epochs 6",
    ] {
        run(&place, line).fails_with(&["best.safetensors", "validation has chosen it", "--checkpoint last"]);
    }
    assert!(record() == before && !place.path("s").exists() && !place.path("m.1bit").exists());
    goes(&place, "eval r --device cpu --checkpoint last");
    // Without validation nothing is chosen, and the last checkpoint stands for the run.
    place.train("n", &["--epochs", "1"]).ok();
    fs::remove_file(place.path("n/checkpoints/best.safetensors")).unwrap();
    goes(&place, "eval n --device cpu");
}

#[test]
fn the_time_of_a_run_is_that_of_all_its_processes() {
    let place = Place::new();
    place.train("r", &["--epochs", "2"]).ok();
    let summary = || json(&place.path("r/summary.json"));
    let seconds = || summary()["seconds"].as_f64().unwrap();
    let first = seconds();
    goes(&place, "train --resume --out r --epochs 4");
    let both = seconds();
    assert!(both > first && summary()["seconds_since"] == 0, "{}", summary());
    let timed = json(&place.path("r/time.json"));
    assert_eq!((&timed["steps"], &timed["since"]), (&24.into(), &0.into()), "{timed}");
    // Only the test is still to be done: what training took is known.
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let o = goes(&place, "train --resume --out r");
    assert!(seconds() >= both && o.out.contains(" images/s, ") && !o.out.contains(" 0 images/s"), "{}", o.out);
    // A run of an earlier version: what is not known is not made up.
    for file in ["summary.json", "time.json"] {
        fs::remove_file(place.path("r").join(file)).unwrap();
    }
    let o = goes(&place, "train --resume --out r");
    assert!(o.out.contains("since step 24") && !o.out.contains(" images/s"), "{}", o.out);
    assert_eq!(summary()["seconds_since"], 24);
    let table = goes(&place, "compare r").out;
    assert!(table.contains("How long runs took that an earlier version began"), "{table}");
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
    fs::write(place.path("notes.txt"), "").unwrap();
    let from = |what: &str| run(&place, &format!("train fashion-binary --from {what} --out s --device cpu"));
    from("a.1bit").fails_with(&["a.1bit", "packed model", "run directory"]);
    from("notes.txt").fails_with(&["notes.txt", "no run directory", ".safetensors"]);
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
fn shares_that_are_none_are_refused_by_name() {
    let place = Place::new();
    for (key, values) in [
        ("data.val", &["nan", "-0.1", "1.5", "inf"][..]),
        ("data.test", &["nan", "2", "-1"]),
        ("data.most_skipped", &["nan", "1.5"]),
        ("data.hold_out", &["nan", "1"]),
    ] {
        for value in values {
            place.train("r", &["--set", &format!("{key}={value}")]).fails_with(&[&format!("{key} = ")]);
        }
    }
    assert!(!place.path("r").exists());
}

#[test]
fn what_is_held_out_is_neither_trained_on_nor_does_it_touch_the_test_part() {
    let place = insects();
    goes(&place, "train tiny.toml --data col3 --set data.hold_out=0.3 --epochs 2 --device cpu --out h");
    let list = fs::read_to_string(place.path("h/data.csv")).unwrap();
    let part = |part: &str| list.lines().filter(|l| l.contains(&format!(",{part},"))).count();
    let summary = json(&place.path("h/summary.json"));
    assert!(part("val") > 0 && part("train") > 0 && part("test") == 18, "{list}");
    assert_eq!((&summary["val_images"], &summary["test_accuracy"]), (&part("val").into(), &Value::Null));
    assert!(metrics(&place, "h", "test").is_empty());
    let eval = |more: &str| {
        let o = goes(&place, &format!("eval h --device cpu --json{more}"));
        assert!(!o.err.contains("learned from"), "{}", o.err);
        serde_json::from_str::<Value>(&o.out).unwrap()
    };
    let own = eval("");
    assert_eq!((&own["part"], &own["images"]), (&"val".into(), &part("val").into()));
    assert_eq!((&eval(" --part test")["part"], &eval(" --part test")["images"]), (&"test".into(), &18.into()));
    assert_eq!(eval(" --data col3")["images"], 18);
}

#[test]
fn a_folder_of_train_and_val_is_validated_and_called_so() {
    let place = insects();
    fs::rename(place.path("col3/test"), place.path("col3/val")).unwrap();
    let o = goes(&place, "train tiny.toml --data col3 --epochs 3 --device cpu --out v");
    assert!(o.out.contains("18 validation images") && o.out.contains("no test images"), "{}", o.out);
    let summary = json(&place.path("v/summary.json"));
    assert_eq!((&summary["val_images"], &summary["test_images"]), (&18.into(), &0.into()));
    let eval: Value = serde_json::from_str(&goes(&place, "eval v --device cpu --json").out).unwrap();
    assert_eq!((&eval["part"], &eval["accuracy"]), (&"val".into(), &summary["best_val_accuracy"]));
}

#[test]
fn a_run_is_lengthened_whether_it_ended_or_not() {
    let place = Place::new();
    place.train("r", &["--epochs", "2"]).ok();
    let run_lr =
        |epoch: u64| metrics(&place, "r", "train").iter().find(|m| m["in_epoch"] == epoch).unwrap()["lr"].as_f64();
    let ended = run_lr(2).unwrap();
    run(&place, "train --resume --out r --epochs 1").fails_with(&["--epochs 1", "2 epochs already"]);
    let o = goes(&place, "train --resume --out r --epochs 4");
    assert!(o.out.contains("4 epochs in place of 2") && o.out.contains("resumed after 12 steps"), "{}", o.out);
    assert!(o.out.contains("after 2 epochs its rate is") && o.out.contains("where it had come to 0e0"), "{}", o.out);
    let summary = json(&place.path("r/summary.json"));
    assert_eq!((&summary["epochs"], &summary["steps"]), (&4.into(), &24.into()));
    assert_eq!(json(&place.path("r/summary-2.json"))["epochs"], 2);
    // The cosine is that of four epochs: its rate is higher again than where that of two had come to.
    assert!(run_lr(3).unwrap() > ended, "{:?} after {ended}", run_lr(3));
    let config: Table = fs::read_to_string(place.path("r/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["epochs"].as_integer(), Some(4));
    // The longer run is finished too, and can be looked at.
    assert!(goes(&place, "train --resume --out r").out.contains("finished"));
    goes(&place, "eval r --device cpu");
    // A recipe edited by hand is another recipe, as ever.
    let edited = fs::read_to_string(place.path("r/config.toml")).unwrap().replace("epochs = 4", "epochs = 7");
    fs::write(place.path("r/config.toml"), edited).unwrap();
    fs::remove_file(place.path("r/summary.json")).unwrap();
    run(&place, "train --resume --out r").fails_with(&["another recipe"]);
}

#[test]
fn a_killed_run_that_was_lengthened_goes_on() {
    let place = Place::new();
    place.train("r", &["--epochs", "2"]).ok();
    let last = fs::read(place.checkpoint("r")).unwrap();
    goes(&place, "train --resume --out r --epochs 3");
    // As if it had been killed before its first checkpoint: the old one lies there, under the new record.
    fs::write(place.checkpoint("r"), last).unwrap();
    fs::remove_file(place.path("r/summary.json")).unwrap();
    goes(&place, "train --resume --out r");
    assert_eq!(json(&place.path("r/summary.json"))["epochs"], 3);
}

#[test]
fn warm_up_is_epochs_or_steps_and_ends_before_training() {
    let place = Place::new();
    let o = place.train("r", &["--epochs", "2", "--set", "schedule.warmup=4 steps"]).ok();
    assert!(o.out.contains("rate    cosine from 0.003 to 0, warm-up of 4 steps"), "{}", o.out);
    let plan: Value = {
        let o = place.train("p", &["--json", "--epochs", "1"]).ok();
        serde_json::from_str(o.out.lines().next().unwrap()).unwrap()
    };
    assert_eq!((&plan["event"], &plan["schedule"]), (&"plan".into(), &"cosine from 0.003 to 0, no warm-up".into()));
    for (epochs, warmup, told) in [("2", "13 steps", "13 steps"), ("2", "3", "3 epochs")] {
        let setting = format!("schedule.warmup={warmup}");
        place.train("s", &["--epochs", epochs, "--set", &setting]).fails_with(&[
            told,
            "longer than the run",
            "12 steps",
        ]);
    }
    place.train("s", &["--set", "schedule.warmup=5 minutes"]).fails_with(&["500 steps"]);
    assert!(!place.path("s").exists());
}

#[test]
fn classes_can_count_alike_whatever_their_number() {
    let place = insects();
    // Of bee and cow there is one picture each, of ant all six.
    for class in ["bee", "cow"] {
        for i in 1..6 {
            let _ = fs::remove_file(place.path(&format!("col3/train/{class}/{i}.png")));
        }
    }
    let train = "train tiny.toml --data col3 --epochs 3 --device cpu";
    goes(&place, &format!("{train} --out equal"));
    goes(&place, &format!("{train} --set loss.class_weights=balanced --out balanced"));
    assert_ne!(place.weights("equal"), place.weights("balanced"));
    let given = "--set loss.class_weights=[0.5,2,2]";
    goes(&place, &format!("{train} {given} --out given"));
    run(&place, &format!("{train} --set loss.class_weights=[1,2] --out x")).fails_with(&["2 numbers", "3 classes"]);
    run(&place, "train small-swav --set loss.class_weights=balanced").fails_with(&["class_weights", "supervised"]);
    let o = goes(&place, "eval balanced --device cpu");
    for word in ["balanced accuracy", "macro-F1", "precision", "recall"] {
        assert!(o.out.contains(word), "{word}: {}", o.out);
    }
    let eval: Value = serde_json::from_str(&goes(&place, "eval balanced --device cpu --json").out).unwrap();
    // Of a balanced test part, both accuracies are the same.
    assert!((eval["balanced_accuracy"].as_f64().unwrap() - eval["accuracy"].as_f64().unwrap()).abs() < 1e-12);
}
