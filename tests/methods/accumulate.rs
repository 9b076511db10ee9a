//! Several batches as one step (`accumulate`).

use crate::checklists::method::{Setting, changed, everything, recipe};
use crate::devices::devices;
use onebit::device::Device;
use onebit::methods::{ADDED_UP, PASSED_ON, TRANSIENT};
use onebit::tensor::HostTensor;
use onebit::train::steps::Steps;
use std::collections::BTreeMap;

/// Parameters and what optimisers keep of them; without running statistics and counts, which follow every batch.
fn trained(steps: &mut Steps) -> BTreeMap<String, HostTensor> {
    let mut all = everything(steps);
    let of_batches = ["running_", "num_batches", "information", "collapsed"];
    all.retain(|name, _| {
        !name.starts_with(TRANSIENT)
            && !name.starts_with(PASSED_ON)
            && !of_batches.iter().any(|part| name.contains(part))
    });
    all
}

/// A recipe's programs on a device, for steps of so many batches, four steps an epoch.
fn steps(name: &str, device: &Device, together: usize) -> Steps {
    let images = format!("data.train_images={}", 32 * together);
    // As other images would have other statistics.
    let normalize = "augment.normalize={ mean = [0.286], std = [0.353] }";
    Setting::new(recipe(name, &[&format!("accumulate={together}"), &images, normalize])).steps(device)
}

/// The mean of a gradient and itself is that gradient, to the bit: a step of the same batch twice is that of the batch.
#[test]
fn the_same_batch_twice_is_a_step_of_it() {
    let recipes = [
        "small-float",
        "small-siman",
        "small-irnet",
        "small-bop",
        "small-adabin",
        "small-rbcn",
        "small-swav",
        "small-burn",
        "small-reactnet",
    ];
    for (device_name, device) in devices() {
        for name in recipes {
            let (mut once, mut twice) = (steps(name, &device, 1), steps(name, &device, 2));
            let before = trained(&mut once);
            for step in 0..2 {
                let batch = once.batch(step).unwrap();
                once.run(step, std::slice::from_ref(&batch)).unwrap();
                twice.run(step, &[batch.clone(), batch]).unwrap();
            }
            let (once, twice) = (trained(&mut once), trained(&mut twice));
            assert!(!changed(&before, &once).is_empty(), "{name} on {device_name} trains nothing");
            let differing = changed(&once, &twice);
            assert!(differing.is_empty(), "{name} on {device_name}: {differing:?}");
        }
    }
}

/// Gradients are added up in the order of the batches, nothing is trained before the last, and the step is that of their mean.
#[test]
fn gradients_of_the_batches_are_added_up_in_their_order() {
    for (device_name, device) in devices() {
        let mut steps = steps("small-float", &device, 3);
        let before = trained(&mut steps);
        let batches = steps.batches(0).unwrap();
        let sums = |steps: &mut Steps| -> BTreeMap<String, HostTensor> {
            everything(steps).into_iter().filter(|(name, _)| name.starts_with(ADDED_UP)).collect()
        };
        // A first batch begins anew: its sum is its gradient.
        let gradients: Vec<_> = batches
            .iter()
            .map(|batch| {
                steps.upload(batch).unwrap();
                let scalars = steps.scalars_of(0, 0, 0).unwrap();
                steps.runner.run(0, &scalars).unwrap();
                sums(&mut steps)
            })
            .collect();
        assert!(
            changed(&before, &trained(&mut steps)).is_empty(),
            "a batch that is not the last trains on {device_name}"
        );
        steps.run(0, &batches).unwrap();
        let made = sums(&mut steps);
        assert!(made.len() > 10);
        for (name, sum) in &made {
            let [a, b, c] = [0, 1, 2].map(|i| gradients[i][name].f32s());
            let expected: Vec<f32> = a.iter().zip(b).zip(c).map(|((a, b), c)| (a + b) + c).collect();
            assert!(sum.f32s() == expected, "{name} on {device_name}");
            assert!(sum.f32s().iter().any(|x| *x != 0.0), "{name} on {device_name} is nothing");
        }
        assert!(!changed(&before, &trained(&mut steps)).is_empty(), "the last batch does not train on {device_name}");
    }
}

/// MoCo's copy of the network follows once a step; its queue takes the keys of every batch.
#[test]
fn a_copy_that_follows_moves_once_a_step() {
    for (device_name, device) in devices() {
        let mut steps = steps("small-moco", &device, 2);
        let batches = steps.batches(0).unwrap();
        let before = everything(&mut steps);
        steps.upload(&batches[0]).unwrap();
        let scalars = steps.scalars_of(0, 0, 0).unwrap();
        steps.runner.run(0, &scalars).unwrap();
        let first = changed(&before, &everything(&mut steps));
        let copies = |names: &[String]| names.iter().filter(|n| n.starts_with("key.")).count();
        assert!(copies(&first) == 0 && first.iter().any(|n| n.ends_with(".keys")), "{first:?} on {device_name}");
        steps.run(0, &batches).unwrap();
        let last = changed(&before, &everything(&mut steps));
        assert!(copies(&last) > 10, "{last:?} on {device_name}");
    }
}

/// An epoch has whole steps: of four batches three make one, and the fourth sits out.
#[test]
fn batches_that_make_no_step_are_left_out() {
    let steps = Setting::new(recipe("small-float", &["accumulate=3"])).steps(&Device::Cpu);
    assert_eq!((steps.loader.steps(), steps.per_pass(), steps.per_epoch()), (3, 1, 1));
    let first_of_the_second = steps.batch(1).unwrap();
    assert_eq!((first_of_the_second.epoch, first_of_the_second.step), (1, 0));
    assert_eq!(steps.progress(1).batches(), 3);
}
