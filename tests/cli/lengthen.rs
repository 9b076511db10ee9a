//! Runs that go on for longer, and how long they took and are to take.

use crate::program::Place;
use crate::runs::{goes, json, metrics, run};
use serde_json::Value;
use std::fs;
use toml::Table;

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
    run(&place, "train --resume --out r").fails_with(&["summary.json", "another recipe", "config.toml"]);
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
