//! MoCo v2 and S2-BNN's combination (specification "baselines", section 7). A whole step is held against PyTorch's in
//! `../pytorch.rs`.

use super::devices;
use super::method::{Setting, everything, recipe, train};
use onebit::methods::projector::Projector;
use onebit::train::programs::Programs;
use onebit::train::steps::Steps;

const SMALL: [&str; 4] = ["moco.queue=24", "moco.dimension=6", "moco.hidden=5", "moco.groups=2"];

fn setting(name: &str, changes: &[&str]) -> Setting {
    Setting::new(recipe(name, &[&SMALL[..], changes].concat()))
}

/// 7.1: the copy starts as the network, the queue as random keys of length 1.
#[test]
fn moco_starts_with_a_copy_and_random_keys() {
    for (device, on) in devices() {
        let setting = setting("small-moco-binary", &[]);
        let mut steps = setting.steps(&on);
        let all = everything(&mut steps);
        let copied: Vec<&String> = all.keys().filter(|n| all.contains_key(&format!("key.{n}"))).collect();
        assert!(copied.iter().any(|n| n.ends_with("conv1.weight")) && copied.iter().any(|n| *n == "head.2.bias"));
        for name in copied {
            assert_eq!(all[name].words(), all[&format!("key.{name}")].words(), "{name} on {device}");
        }
        for key in all["queue.24.keys"].f32s().chunks(6) {
            let length: f64 = key.iter().map(|x| f64::from(*x).powi(2)).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length} on {device}");
        }
    }
}

/// 7.1: parameters alone follow, by m; keys of a step take the place of the oldest, and are negatives from the next step on.
#[test]
fn moco_copy_follows_and_keys_move_on() {
    for (device, on) in devices() {
        let setting = setting("small-moco-binary", &["moco.momentum=0.75"]);
        let mut steps = setting.steps(&on);
        let before = everything(&mut steps);
        train(&mut steps, 0..1);
        let after = everything(&mut steps);
        let mut followed = 0;
        for (name, copy) in after.iter().filter(|(n, _)| n.starts_with("key.")) {
            let (old, of_query) = (&before[name], &after[&name["key.".len()..]]);
            if name.contains("running") {
                assert_eq!(copy.words(), old.words(), "{name} on {device}");
                continue;
            }
            for ((k, old), q) in copy.f32s().iter().zip(old.f32s()).zip(of_query.f32s()) {
                let expected = 0.75 * f64::from(*old) + 0.25 * f64::from(*q);
                assert!((f64::from(*k) - expected).abs() <= 1e-6 * expected.abs().max(1e-3), "{name} on {device}");
            }
            followed += usize::from(copy.words() != old.words());
        }
        assert!(followed > 10, "{followed} tensors moved on {device}");
        let (old, new) = (before["queue.24.keys"].f32s(), after["queue.24.keys"].f32s());
        // 8 of 24 keys are new.
        assert!(new[8 * 6..] == old[..16 * 6] && new[..8 * 6] != old[..8 * 6], "{device}");
    }
}

/// S2-BNN's second step loads all of the first: copy and keys too. They are not made anew.
#[test]
fn moco_second_stages_go_on_with_copy_and_keys() {
    let (_, on) = devices().remove(0);
    let setting = setting("small-moco-binary", &[]);
    let mut first = setting.steps(&on);
    train(&mut first, 0..2);
    let trained = everything(&mut first);
    let how = setting.recipe.method();
    let mut graphs = how.build(&setting.task(), 8, 8).unwrap();
    graphs.given = trained.clone().into_iter().filter(|(n, _)| !n.starts_with("metrics.")).collect();
    let mut second =
        Steps::new(setting.recipe.clone(), &setting.data, Programs::compile(graphs, &on).unwrap(), &on).unwrap();
    let after = everything(&mut second);
    for name in trained.keys().filter(|n| n.starts_with("key.") || n.starts_with("queue.")) {
        assert_eq!(after[name].words(), trained[name].words(), "{name}");
    }
    assert!(trained.keys().filter(|n| onebit::methods::parts::is_of_a_head(n)).any(|n| n.starts_with("key.")));
}

#[test]
fn moco_settings_that_do_not_go_together_are_refused() {
    let refused = |name: &str, changes: &[&str], why: &str| {
        let changes: Vec<String> = [&SMALL[..], changes].concat().iter().map(|s| s.to_string()).collect();
        let (_, recipe) = onebit::recipe::Recipe::find(name).unwrap();
        let message = recipe.with(&changes).unwrap_err().to_string();
        assert!(message.contains(why), "{message}");
    };
    refused("small-moco", &["batch=16"], "moco.queue = 24: the 16 keys of a step");
    refused("small-moco", &["batch=8", "moco.symmetric=true"], "the 16 keys");
    refused("small-moco", &["batch=8", "moco.groups=3"], "moco.groups = 3: give a number that divides the batch of 8");
    refused("small-moco", &["batch=8", "moco.momentum=1.0"], "moco.momentum = 1");
    refused("small-moco", &["batch=8", "moco.temperature=0.0"], "moco.temperature = 0");
    refused("small-moco", &["batch=8", "moco.distillation=1.0"], "the recipe has no [teacher]");
    refused("small-moco-kd", &["batch=8", "moco.distillation=0.0"], "nothing is learned from");
    // A teacher needs a head, of as many outputs.
    for (head, has) in [(None, "no self-supervised head"), (Some(7), "a head of 7")] {
        let mut other = setting("small-moco-kd", &[]);
        let teacher = other.teacher.as_mut().unwrap();
        let own = teacher.head.unwrap();
        teacher.head = head.map(|out| Projector { out, ..own });
        let Err(refused) = other.recipe.method().build(&other.task(), 8, 8) else { panic!("{has} is taken") };
        let message = refused.to_string();
        assert!(message.contains("outputs of 6 numbers") && message.contains(has), "{message}");
    }
}
