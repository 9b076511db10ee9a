//! Augmentations as recipes ask for them: all at once, node by node; what does not go together.

use crate::program::{Place, TINY};

/// Everything that grey images can have.
const ALL: &[&str] = &[
    "augment.pad_crop={padding=2}",
    "augment.flip={}",
    "augment.vertical_flip={}",
    "augment.rand_augment={num_ops=2}",
    "augment.rotation={degrees=20.0,interpolation='bilinear'}",
    "augment.color_jitter={brightness=0.4,contrast=0.4}",
    "augment.gaussian_blur={sigma=[0.1,1.0]}",
    "augment.erasing={}",
    "augment.mixup={alpha=0.4}",
    "augment.cutmix={}",
    "label_smoothing=0.1",
];

fn with<'a>(start: &[&'a str], settings: &[&'a str]) -> Vec<&'a str> {
    let mut args = start.to_vec();
    settings.iter().for_each(|s| args.extend(["--set", *s]));
    args
}

#[test]
fn a_step_with_all_of_them_is_right_on_every_kind_of_device() {
    let place = Place::new();
    let tiny: Vec<&str> = TINY.iter().copied().filter(|s| !s.starts_with("batch")).chain(["batch=8"]).collect();
    for device in ["cpu", "vulkan"] {
        let start = ["verify", "--recipe", "fashion-binary", "--device", device, "--steps", "2"];
        let outcome = place.run(&with(&start, &[&tiny, ALL].concat())).ok();
        assert!(outcome.out.contains("retouch") || outcome.out.contains("nodes"), "{}", outcome.out);
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let place = Place::new();
    let fails = |recipe: &str, settings: &[&str], parts: &[&str]| {
        place.run(&with(&["train", recipe, "--device", "cpu"], settings)).fails_with(parts);
    };
    fails("fashion-binary", &["augment.lighting={}"], &["augment.lighting", "1 channels", "leave it out"]);
    fails("small-swav", &["augment.mixup={}"], &["augment.mixup", "method = \"swav\"", "supervised"]);
    fails("fashion-binary", &["augment.cutmix={}", "loss.class_weights='balanced'"], &["augment.cutmix", "choose one"]);
    fails("fashion-binary", &["augment.mixup={}", "batch=1"], &["augment.mixup", "batch = 1", "at least 2"]);
    fails("fashion-binary", &["augment.rand_augment={}", "augment.trivial_augment={}"], &["both set"]);
    fails("fashion-binary", &["augment.rand_augmint={}"], &["rand_augment"]);
    fails("small-swav", &["label_smoothing=0.1"], &["label_smoothing", "method = \"swav\"", "leave it out"]);
    fails("fashion-binary", &["augment.flip=true"], &["flip", "a table, for example {}"]);
    fails("fashion-binary", &["augment.random_erasing={}"], &["did you mean `erasing`"]);
    fails(
        "fashion-binary",
        &["augment.gaussian_blur={sigma=[1.0,100.0]}"],
        &["augment.gaussian_blur.sigma", "28 x 28"],
    );
    fails("fashion-binary", &["augment.rotation={interpolation='cubic'}"], &["cubic", "nearest", "bilinear"]);
}
