//! Real-to-Binary (Martinez et al., ICLR 2020). Whole steps are held against PyTorch's in `../pytorch.rs`.

use super::method::{Setting, recipe};
use onebit::graph::{Graph, Meta};
use onebit::nn::Mode;
use onebit::recipe::Recipe;

/// The first step, with a change.
fn first_step(change: &str) -> Recipe {
    let all = ["net.vars={w=8}", "batch=8", "eval.batch=8", "data.train_images=32", "data.test_images=16", change];
    Recipe::find("small-real-to-binary-step1").unwrap().1.with(&all.map(String::from)).unwrap()
}

/// A student that is compared with a teacher of half as many blocks, whose outputs are those behind their nonlinearity.
#[test]
fn real_to_binary_compares_blocks_in_equal_steps() {
    let blocks = |settings: &[&str]| {
        let net = recipe("small-float", settings).net;
        let g = &mut Graph::new();
        let x = g.input("x", Meta::f32([2, 8, 8, 3])).unwrap();
        let made = net.network(g, x, 5, Mode::Train, None).unwrap();
        (made.residuals.iter().map(|v| g.shape(*v).to_vec()).collect::<Vec<_>>(), made.stages == made.residuals)
    };
    let (single, same) = blocks(&["net.skip=single"]);
    assert_eq!(single, [[2, 8, 8, 4], [2, 4, 4, 8], [2, 2, 2, 8]]);
    assert!(!same, "behind the nonlinearity, unlike the stages");
    assert_eq!(blocks(&["net.skip=single", "net.activation=none"]), (single, true));
    assert_eq!(blocks(&[]).0.len(), 6);
    // 6 blocks of the student beside 3 of its teacher.
    let mut setting = Setting::new(first_step("real_to_binary.points=3"));
    let teacher = setting.teacher.as_mut().unwrap();
    teacher.net = recipe("small-float", &["net.skip=single", "net.shortcut=float-pooled"]).net;
    setting.recipe.method().build(&setting.task(), 8, 8).unwrap();
    let more = Setting::new(first_step("real_to_binary.points=4"));
    let Err(refused) = more.recipe.method().build(&more.task(), 8, 8) else { panic!("4 of 6 blocks are compared") };
    let message = refused.to_string();
    assert!(message.contains("real_to_binary.points = 4") && message.contains("[28, 28]"), "{message}");
}

#[test]
fn real_to_binary_settings_that_do_not_go_together_are_refused() {
    let refused = |changes: &[&str], why: &str| {
        let changes: Vec<String> = changes.iter().map(|s| s.to_string()).collect();
        let (_, recipe) = Recipe::find("small-real-to-binary-step1").unwrap();
        let message = recipe.with(&changes).unwrap_err().to_string();
        assert!(message.contains(why), "{message}");
    };
    refused(&["real_to_binary.attention=-1.0"], "real_to_binary.attention = -1");
    refused(&["real_to_binary.points=0"], "real_to_binary.points = 0");
    refused(&["real_to_binary.temperature=0.0"], "real_to_binary.temperature = 0");
    let nothing = ["real_to_binary.labels=0.0", "real_to_binary.attention=0.0", "real_to_binary.outputs=0.0"];
    refused(&nothing, "there is nothing to learn");
    refused(&["net.binarization.weights=sign"], "activations = \"tanh\" and weights = \"sign\"");
    refused(&["net.binarization.activation_ste=approx-sign"], "activations = \"tanh\" is no sign");
}
