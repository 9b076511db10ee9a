//! A number passes for a run's own only if it is of the images that the run began with.

use crate::program::Place;
use crate::runs::{copy, goes, insects, run};
use onebit::train::checkpoint::Checkpoint;
use serde_json::Value;
use std::fs;

#[test]
fn a_changed_part_is_refused_and_can_be_named_on_purpose() {
    let place = insects();
    let own = goes(&place, "eval r --device cpu").out;
    assert!(own.contains("18 test images"), "{own}");
    // A training image is tested on, and another image is in another class.
    fs::copy(place.path("col3/train/ant/0.png"), place.path("col3/test/ant/new.png")).unwrap();
    fs::rename(place.path("col3/test/bee/0.png"), place.path("col3/test/cow/from-bee.png")).unwrap();
    let told = ["col3", "not the test images that the run r began with", "2 added", "1 removed", "--data PATH"];
    for line in ["eval r --device cpu", "export r -o m.1bit", "embed r --device cpu", "eval r --device cpu --part test"]
    {
        run(&place, line).fails_with(&told);
    }
    assert!(!place.path("m.1bit").exists() && !place.path("r/embed").exists());
    // Other parts are as they were.
    goes(&place, "eval r --device cpu --part train");
    // Named on purpose, and said to be others wherever the number stands.
    let o = goes(&place, "eval r --device cpu --data col3");
    assert!(o.out.contains("19 test images"), "{}", o.out);
    let found: Value = serde_json::from_str(&fs::read_to_string(place.path("r/eval.json")).unwrap()).unwrap();
    assert_eq!(found["in_place_of_own"], "col3");
    assert!(fs::read_to_string(place.path("r/confusion.svg")).unwrap().contains("not the run's own"));
}

#[test]
fn training_images_matter_where_they_are_looked_at() {
    let place = insects();
    fs::remove_file(place.path("col3/train/ant/0.png")).unwrap();
    goes(&place, "eval r --device cpu");
    goes(&place, "embed r --device cpu");
    let told = ["not the", "train", "1 removed (the first is"];
    for line in ["eval r --device cpu --part train", "eval r --device cpu --protocol knn"] {
        run(&place, line).fails_with(&told);
    }
    // The list is gone: nothing can be told of a part alone.
    fs::remove_file(place.path("r/data.csv")).unwrap();
    run(&place, "eval r --device cpu").fails_with(&["data.csv is missing"]);
    // A run of an earlier version has no fingerprint: it is read, and what is not known is said.
    let config = fs::read_to_string(place.path("r/config.toml")).unwrap();
    let run_table = config.find("[run]").expect("the record");
    let at = run_table + config[run_table..].find("\ndata = ").expect("the fingerprint") + 1;
    let end = at + config[at..].find('\n').expect("its end") + 1;
    fs::write(place.path("r/config.toml"), format!("{}{}", &config[..at], &config[end..])).unwrap();
    run(&place, "eval r --device cpu").fails_with(&["run.data"]);
    let last = place.path("r/checkpoints/last.safetensors");
    let mut checkpoint = Checkpoint::load(&last).unwrap();
    checkpoint.position.record = None;
    checkpoint.save(&last).unwrap();
    let o = goes(&place, "eval r --device cpu");
    assert!(o.err.contains("is not known"), "{}", o.err);
}

#[test]
fn the_images_of_the_program_are_split_as_they_were() {
    let place = Place::new();
    place.train("r", &["--epochs", "1", "--set", "data.val=0.05"]).ok();
    goes(&place, "eval r --device cpu --part val");
    let config = fs::read_to_string(place.path("r/config.toml")).unwrap();
    assert!(config.contains("split_seed = 0"), "{config}");
    fs::write(place.path("r/config.toml"), config.replace("split_seed = 0", "split_seed = 9")).unwrap();
    run(&place, "eval r --device cpu --part val").fails_with(&["embedded", "val images", "split_seed"]);
    fs::remove_file(place.path("r/summary.json")).unwrap();
    let o = run(&place, "train --resume --out r").fails_with(&["embedded", "split_seed", "began with"]);
    assert!(!o.err.contains("data.csv"), "{}", o.err);
}

#[test]
fn neighbours_are_those_that_the_run_had() {
    let place = insects();
    let settings = "--set batch=6 --set net.widths=[4,4,8,8] --set swav.prototypes=6 --set data.channels=1 --epochs 1";
    copy(&place.path("col3"), &place.path("set"));
    goes(&place, &format!("train small-swav --data set --out s --device cpu {settings}"));
    goes(&place, "eval s --device cpu");
    fs::remove_file(place.path("set/train/ant/0.png")).unwrap();
    run(&place, "eval s --device cpu").fails_with(&["train and test images", "1 removed"]);
}
