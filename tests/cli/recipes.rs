//! What recipes can say, as the program lists it.

use crate::program::Place;
use serde_json::Value;
use std::fs;

#[test]
fn settings_are_listed_with_type_default_and_meaning() {
    let place = Place::new();
    let all = place.run(&["recipes", "keys"]).ok().out;
    for part in [
        "lr  number  (required)",
        "Learning rate, which the schedule changes over time.",
        "data.test  number  = 0.1",
        "optimiser.momentum  number",
        "rbcn.kernel_path  one of these words  = \"both\"  [rbcn]",
        "mbn.clusterings  whole number",
        "net.kind  one of these words  = \"layers\"",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    let table = place.run(&["recipes", "keys", "optimiser"]).ok().out;
    assert!(table.lines().all(|l| l.starts_with("optimiser") || l.starts_with(' ')), "{table}");
    let json: Vec<Value> =
        serde_json::from_str(&place.run(&["recipes", "keys", "schedule", "--json"]).ok().out).unwrap();
    let gamma = json.iter().find(|k| k["key"] == "schedule.gamma").unwrap();
    assert_eq!((&gamma["of"][0], &gamma["type"]), (&"step".into(), &"number".into()), "{gamma}");
    let layers = place.run(&["recipes", "keys", "net.layer"]).ok().out;
    assert!(layers.contains("blur-pool") && layers.contains("net.layer[].width  whole number or formula"), "{layers}");
    assert!(layers.contains("net.layer[].body  list: table") && layers.contains("text or list: text"), "{layers}");
    let typo = "[net]\nlayer = [{ op = \"relu\" }, { op = \"conv\", widht = 8 }, { op = \"classifier\" }]\n";
    fs::write(place.path("typo.toml"), typo).expect("a file");
    place.run(&["net", "typo.toml"]).fails_with(&["typo.toml", "layer 1: ", "`widht`: did you mean `width`?"]);
    place.run(&["recipes", "keys", "momentum"]).fails_with(&["optimiser.momentum"]);
    place.run(&["recipes", "keys", "optimizer"]).fails_with(&["optimiser"]);
    for (other, here) in [
        ("learning_rate", "did you mean lr?"),
        ("early_stopping", "patience"),
        ("class_weight", "loss.class_weights"),
        ("data.root", "data.path"),
        ("gpu", "the flag --device"),
    ] {
        place.run(&["recipes", "keys", other]).fails_with(&[other, here]);
    }
}

#[test]
fn recipes_are_shown_whole_and_found_by_words() {
    let place = Place::new();
    let own = place.run(&["recipes", "show", "small-sign"]).ok().out;
    let full = place.run(&["recipes", "show", "small-sign", "--full"]).ok().out;
    assert!(!own.contains("split_seed") && full.contains("split_seed = 0"), "{full}");
    fs::write(place.path("mine.toml"), &full).unwrap();
    assert_eq!(place.run(&["recipes", "show", "mine.toml", "--full"]).ok().out, full);
    let found = place.run(&["recipes", "--filter", "CIFAR10", "siman"]).ok().out;
    let names: Vec<&str> = found.lines().take_while(|l| !l.is_empty()).collect();
    assert!(
        names.len() >= 3 && names.iter().all(|l| l.starts_with("cifar10-") && l.to_lowercase().contains("siman")),
        "{found}"
    );
    place.run(&["recipes", "--filter", "nothing-of-that-name"]).fails_with(&["nothing-of-that-name"]);
}

#[test]
fn names_of_other_programs_are_understood() {
    let place = Place::new();
    for (setting, meant) in [
        ("learning_rate=0.1", "did you mean `lr`?"),
        ("batch_size=8", "did you mean `batch`?"),
        ("optimiser.lr=0.1", "`lr`"),
        ("momentum=0.9", "did you mean `optimiser.momentum`?"),
        ("early_stopping=5", "did you mean `patience`?"),
        ("class_weight=balanced", "did you mean `loss.class_weights`?"),
        ("gpu=0", "did you mean the flag `--device`?"),
        ("data.root=x", "did you mean `path`?"),
    ] {
        place.run(&["train", "--set", setting]).fails_with(&[setting, meant]);
    }
}

#[test]
fn shells_and_manuals_know_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = place.run(&["completions", shell]).ok().out;
        assert!(text.contains("sweep") && text.contains("against"), "{shell}");
    }
    place.run(&["man", "--out", "pages"]).ok();
    let train = fs::read_to_string(place.path("pages/onebit-train.1")).unwrap();
    assert!(train.contains("resume") && !train.contains("supervised"), "{train}");
    assert!(place.path("pages/onebit.1").is_file() && place.path("pages/onebit-recipes-keys.1").is_file());
}
