//! Stopping at any moment and going on gives the weights of a run that was never stopped, to the bit.

use crate::program::{Place, finish, tiny, wait_for};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// Settings under which a run saves often, also in the middle of an epoch.
const OFTEN: &[&str] = &["--set", "checkpoint.every_steps=4", "--set", "epochs=12", "--set", "data.val=0.02"];

fn strings(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Kills a run again and again, at moments that have nothing to do with steps; the last time it goes to its end. `start`
/// begins it in the folder `killed`.
fn killed_again_and_again(place: &Place, start: &[String]) {
    let mut kills = 0;
    for pause in [37, 61, 13, 89, 5, 120] {
        let fresh = !place.path("killed/config.toml").exists();
        let args =
            if fresh { start.to_vec() } else { ["train", "--resume", "--out", "killed"].map(String::from).to_vec() };
        let mut child = place.command(&strings(&args)).spawn().unwrap();
        if fresh {
            wait_for(&place.path("killed/config.toml"), &mut child);
        }
        sleep(Duration::from_millis(pause));
        kills += child.try_wait().unwrap().is_none() as u32;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills >= 2, "the run is too short to be killed: {kills}");
    place.run(&["train", "--resume", "--out", "killed"]).ok();
    assert!(place.weights("whole") == place.weights("killed"), "the weights differ");
}

/// The queue is filled and used, prototypes are frozen and let go, crops have two sizes: all of it is part of where a run
/// stands.
#[test]
fn a_killed_swav_run_goes_on_with_its_queue_and_prototypes() {
    let place = Place::new();
    let settings = [
        "data.train_images=300",
        "data.test_images=100",
        "batch=50",
        "net.widths=[4,4,8,8]",
        "swav.prototypes=12",
        "swav.dimension=8",
        "swav.queue=150",
        "swav.queue_after=1",
        "swav.freeze_epochs=2",
        "swav.small={ views = 2, size = [14, 14], scale = [0.1, 0.4] }",
        "eval.batch=50",
        "checkpoint.every_steps=4",
    ];
    let start = |out: &str| {
        let mut args =
            ["train", "small-swav", "--out", out, "--device", "cpu", "--epochs", "10"].map(String::from).to_vec();
        settings.iter().for_each(|s| args.extend(["--set".to_string(), s.to_string()]));
        args
    };
    place.run(&strings(&start("whole"))).ok();
    killed_again_and_again(&place, &start("killed"));
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_bytes() {
    let place = Place::new();
    place.train("whole", OFTEN).ok();
    killed_again_and_again(&place, &tiny("killed", OFTEN));
    // Every validation is there once, and so is the test at the end, whatever was repeated.
    let lines = std::fs::read_to_string(place.path("killed/metrics.jsonl")).unwrap();
    let of_kind = |kind: &str| lines.lines().filter(|l| l.starts_with(&format!("{{\"kind\":\"{kind}\""))).count();
    assert_eq!((of_kind("val"), of_kind("test")), (12, 1), "{lines}");
    let done = place.run(&["train", "--resume", "--out", "killed"]).ok().out;
    assert!(done.contains("finished"), "{done}");
}

/// What is drawn for an image depends on seed, epoch and number alone, what mixes a batch on those of its first.
#[test]
fn a_killed_run_of_mixed_images_draws_the_same_again() {
    let place = Place::new();
    let drawn = ["trivial_augment={}", "mixup={}", "cutmix={}", "erasing={p=0.5}", "vertical_flip={}"];
    let drawn = drawn.map(|s| format!("augment.{s}"));
    let mut settings = OFTEN.to_vec();
    drawn.iter().for_each(|s| settings.extend(["--set", s]));
    place.train("whole", &settings).ok();
    killed_again_and_again(&place, &tiny("killed", &settings));
    place.train("other", &[&settings[..], &["--seed", "5"]].concat()).ok();
    assert!(place.weights("whole") != place.weights("other"));
}

#[cfg(unix)]
#[test]
fn a_killed_run_of_several_batches_a_step_ends_with_the_same_bytes() {
    let place = Place::new();
    let settings = [OFTEN, &["--set", "accumulate=2"]].concat();
    let whole = place.run(&strings(&tiny("whole", &settings))).ok().out;
    assert!(whole.contains(" steps of 2 times ") && whole.contains(" kernels a batch"), "{whole}");
    killed_again_and_again(&place, &tiny("killed", &settings));
    let too_many = tiny("many", &["--set", "accumulate=1000"]);
    place.run(&strings(&too_many)).fails_with(&["1000 batches", "no whole step", "--set accumulate="]);
    place.run(&strings(&tiny("none", &["--set", "accumulate=0"]))).fails_with(&["accumulate = 0", "at least 1"]);
}

#[test]
fn ctrl_c_finishes_the_step_saves_and_says_how_to_go_on() {
    let place = Place::new();
    let long = &["--set", "epochs=60"];
    let mut child = place.command(&strings(&tiny("run", long))).spawn().unwrap();
    wait_for(&place.checkpoint("run"), &mut child);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let stopped = finish(child);
    assert_eq!(stopped.code, Some(130), "{}{}", stopped.out, stopped.err);
    assert!(stopped.out.contains("onebit train --resume --out run"), "{}", stopped.out);
    assert!(!place.path("run/summary.json").exists());

    // What it printed does go on, and ends as if nothing had been.
    let config = place.path("run/config.toml");
    let position = std::fs::read_to_string(&config).unwrap();
    assert!(position.contains("epochs = 60"));
    let mut child = place.command(&["train", "--resume", "--out", "run"]).spawn().unwrap();
    sleep(Duration::from_millis(300));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let resumed = place.run(&["train", "--resume", "--out", "run"]).ok().out;
    assert!(resumed.contains("resumed after"), "{resumed}");
    place.train("whole", long).ok();
    assert!(place.weights("whole") == place.weights("run"), "the weights differ");
}

#[test]
fn resume_finds_the_newest_run_of_a_recipe_or_says_that_there_is_none() {
    let place = Place::new();
    place.run(&["train", "--resume"]).fails_with(&["nothing to resume", "fashion-binary", "--out"]);
    place.run(&["train", "--resume", "--out", "nowhere"]).fails_with(&["nowhere", "no such run directory"]);
    let clash = place.run(&["train", "--resume", "--seed", "3"]);
    assert_eq!(clash.code, Some(2));
    assert!(clash.err.contains("--seed"), "{}", clash.err);
}
