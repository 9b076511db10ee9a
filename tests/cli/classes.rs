//! Classes are told apart by their names.

use crate::golden::golden;
use crate::runs::{copy, goes, insects, json, run, said};
use serde_json::Value;
use std::fs;
use toml::Table;

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
