//! Runs as pictures and as one page.

use crate::program::Place;
use std::fs;

/// The words that a drawing writes.
fn words(svg: &str) -> Vec<String> {
    let texts = svg.split("<text").skip(1).filter_map(|t| t.split_once('>')?.1.split_once("</text>"));
    texts.map(|(text, _)| text.trim().to_string()).collect()
}

#[test]
fn several_runs_are_one_picture_and_one_page() {
    let place = Place::new();
    for (run, more) in [
        ("runs/a-0", vec!["--seed", "0"]),
        ("runs/a-1", vec!["--seed", "1"]),
        ("runs/b-0", vec!["--seed", "0", "--set", "lr=0.01"]),
    ] {
        place.train(run, &more).ok();
    }
    fs::create_dir(place.path("empty")).unwrap();
    let out = place.run(&["report", "runs", "empty", "runs/a-0", "--out", "figures"]).ok().out;
    assert!(out.contains("runs/a-0") && out.contains("a seed counts once"), "{out}");
    assert!(out.contains("left out: empty") && out.contains("figures/report.html"), "{out}");
    let svg = fs::read_to_string(place.path("figures/curves.svg")).unwrap();
    let words = words(&svg);
    let has = |part: &str| words.iter().any(|w| w.contains(part));
    for part in [
        "lr = 0.003 (2 seeds)",
        "lr = 0.01 (1 seed)",
        "Fashion-MNIST",
        "accuracy",
        "cross-entropy",
        "training step",
        "%",
        "nats",
        "training (300 images)",
        "test (100 images)",
    ] {
        assert!(has(part), "{part} in {words:?}");
    }
    assert!(!words.iter().any(|w| w.starts_with("-0") && w.trim_matches(['-', '0', '.']).is_empty()), "{words:?}");
    // Tensors have names for programs.
    assert!(!words.iter().any(|w| w.contains("conv") || w.contains("features.")), "{words:?}");
    // A band for the two seeds.
    assert!(svg.contains("<polygon"), "a band");
    let page = fs::read_to_string(place.path("figures/report.html")).unwrap();
    assert!(page.contains("<table>") && page.contains("<svg") && page.contains("lr = 0.01"), "{}", &page[..2000]);
    assert!(!page.contains("src=\"http") && !page.contains("href="), "the page needs nothing but itself");
}

#[test]
fn a_single_run_has_its_weights_and_what_eval_left() {
    let place = Place::new();
    place.train("run", &[]).ok();
    place.run(&["eval", "run"]).ok();
    place.run(&["report", "run"]).ok();
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    for part in ["Latent weights", "Confusion matrix", "binary layer 1", "Curves"] {
        assert!(page.contains(part), "{part}");
    }
    for picture in ["curves.svg", "weights.svg"] {
        let words = words(&fs::read_to_string(place.path("run").join(picture)).unwrap());
        assert!(!words.iter().any(|w| w.starts_with("-0") && w.trim_matches(['-', '0', '.']).is_empty()), "{words:?}");
        assert!(words.iter().any(|w| w.contains("Fashion-MNIST")), "{words:?}");
    }
    place.run(&["report", "nowhere"]).fails_with(&["nowhere"]);
}

/// What is learned without labels has no classes: its loss and its agreement stand apart from accuracies.
#[test]
fn a_task_without_labels_has_axes_of_its_own() {
    let place = Place::new();
    let settings =
        ["data.train_images=200", "data.test_images=50", "batch=50", "net.widths=[4,4,8,8]", "swav.prototypes=12"];
    let mut args = vec!["train", "small-swav", "--out", "run", "--device", "cpu", "--epochs", "2"];
    settings.iter().for_each(|s| args.extend(["--set", s]));
    place.run(&args).ok();
    place.run(&["report", "run"]).ok();
    let words = words(&fs::read_to_string(place.path("run/curves.svg")).unwrap());
    for part in
        ["loss of the task without labels", "agreement in the task without labels", "accuracy of nearest neighbours"]
    {
        assert!(words.iter().any(|w| w == part), "{part} in {words:?}");
    }
    assert!(!words.iter().any(|w| w == "accuracy" || w == "cross-entropy"), "{words:?}");
    // Words and units in place of names; and the loss stands once.
    for part in ["entropy of the prototypes' use in a batch", "entropy, nats"] {
        assert!(words.iter().any(|w| w.replace("&#x27;", "'").replace("&apos;", "'") == part), "{part} in {words:?}");
    }
    assert!(
        !words.iter().any(|w| w.contains("sinkhorn residual") || w.to_lowercase().contains("swav loss")),
        "{words:?}"
    );
}

#[test]
fn long_names_have_room_and_titles_repeat_nothing() {
    let place = Place::new();
    let wide = "net.widths=[8,8,8,16]";
    for (run, recipe, more) in [
        ("a", "fashion-binary", vec![]),
        ("b", "small-sign", vec![]),
        ("c", "fashion-binary", vec!["--set", wide, "--set", "label_smoothing=0.125", "--set", "lr=0.0015625"]),
        (
            "d",
            "fashion-binary",
            vec!["--set", "optimiser.weight_decay=0.00390625", "--set", "patience=7", "--set", "data.val=0.1"],
        ),
    ] {
        let mut args = vec!["train", recipe, "--out", run, "--device", "cpu"];
        crate::program::TINY.iter().for_each(|s| args.extend(["--set", s]));
        place.run(&[&args[..], &more[..]].concat()).ok();
    }
    let out = place.run(&["report", "a", "b", "c", "d", "--out", "figures"]).ok().out;
    assert!(out.lines().next().unwrap().starts_with("fashion-binary, small-sign on Fashion-MNIST"), "{out}");
    let svg = fs::read_to_string(place.path("figures/curves.svg")).unwrap();
    let number = |text: &str, key: &str| -> f64 {
        let at = text.find(&format!("{key}=\"")).unwrap_or_else(|| panic!("{key} in {text}")) + key.len() + 2;
        text[at..].split('"').next().unwrap().parse().unwrap()
    };
    let width = number(&svg, "width");
    for text in svg.split("<text ").skip(1) {
        // Those of axes stand at their middle or end.
        let Some((head, words)) = text.split_once('>') else { continue };
        if head.contains("text-anchor=\"start\"") || !head.contains("text-anchor") {
            let words = words.split("</text>").next().unwrap().trim();
            let end = number(head, "x") + 0.55 * number(head, "font-size") * words.chars().count() as f64;
            assert!(end <= width, "{words} ends at {end} of {width}");
        }
    }
    let words = words(&svg).join("\n");
    assert!(words.contains("label_smoothing = 0.125") && words.contains("(1 seed)"), "{words}");
}
