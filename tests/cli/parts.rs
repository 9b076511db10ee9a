//! Training, validation and test images: what is chosen by which, and what is said of it.

use crate::program::Place;
use crate::runs::{goes, insects, json, metrics, run};
use serde_json::Value;
use std::fs;

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
