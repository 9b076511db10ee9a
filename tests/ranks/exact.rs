//! One network in several ranks: the same bytes as one program that goes through the batches of all of them.

use crate::devices::devices;
use crate::method::{Setting, changed, everything, recipe};
use onebit::device::Device;
use onebit::error::Result;
use onebit::exchange::Exchange;
use onebit::exchange::simulated::team;
use onebit::tensor::HostTensor;
use onebit::train::parts::Parts;
use onebit::train::programs::Programs;
use onebit::train::ranks::Ranks;
use onebit::train::steps::Steps;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A recipe with so many batches a step, two steps an epoch.
fn setting(name: &str, together: usize, changes: &[&str]) -> Setting {
    let (together, images) = (format!("accumulate={together}"), format!("data.train_images={}", 16 * together));
    // As other images would have other statistics.
    let normalize = "augment.normalize={ mean = [0.286], std = [0.353] }";
    Setting::new(recipe(name, &[&[&together[..], &images, normalize], changes].concat()))
}

/// Its programs for one of `ranks`.
fn programs(setting: &Setting, device: &Device, ranks: usize) -> Result<Programs> {
    let graphs = setting.recipe.method().build(&setting.task(), setting.recipe.batch, setting.recipe.eval.batch)?;
    Programs::compile_for(graphs, device, ranks)
}

fn steps(setting: &Setting, device: &Device, ranks: usize) -> Steps {
    let programs = programs(setting, device, ranks).unwrap_or_else(|e| panic!("{}: {e}", setting.recipe.description));
    Steps::new(setting.recipe.clone(), &setting.data, programs, device).unwrap()
}

/// What `count` steps leave behind in one program.
fn alone(setting: &Setting, device: &Device, count: u64) -> BTreeMap<String, HostTensor> {
    let mut steps = steps(setting, device, 1);
    for step in 0..count {
        let batches = steps.batches(step).unwrap();
        steps.run(step, &batches).unwrap();
    }
    everything(&mut steps)
}

/// What they leave behind in each of several ranks.
fn together(setting: &Setting, device: &Device, ranks: usize, count: u64) -> Vec<BTreeMap<String, HostTensor>> {
    let run = |exchange: Arc<dyn Exchange>| {
        let mut steps = steps(setting, device, ranks);
        let parts = Parts::of(&setting.data, &setting.recipe);
        steps.join(Ranks::new(exchange, &setting.data, &parts, setting.recipe.eval.batch));
        for step in 0..count {
            let own: Vec<_> = steps.own().iter().map(|batch| steps.batch_of(step, *batch).unwrap()).collect();
            steps.run(step, &own).unwrap();
        }
        everything(&mut steps)
    };
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = team(ranks).into_iter().map(|rank| scope.spawn(move || run(Arc::new(rank)))).collect();
        threads.into_iter().map(|t| t.join().expect("a rank panicked")).collect()
    })
}

/// The recipes of all methods whose batches do not go by each other.
const EXACT: [&str; 12] = [
    "small-float",
    "small-siman",
    "small-irnet",
    "small-bop",
    "small-adabin",
    "small-reactnet",
    "small-rbcn",
    "small-rbcn-bireal",
    "small-swav",
    "small-burn",
    "small-smn",
    "small-biper",
];

/// Bytes, on every device: parameters, moments, running statistics, counts of right answers, gradients' sums.
#[test]
fn ranks_make_what_one_program_makes() {
    for (device_name, device) in devices() {
        for name in EXACT {
            let setting = setting(name, 4, &[]);
            let before = everything(&mut steps(&setting, &device, 1));
            let one = alone(&setting, &device, 2);
            assert!(!changed(&before, &one).is_empty(), "{name} on {device_name} trains nothing");
            for ranks in [2, 4] {
                for (rank, made) in together(&setting, &device, ranks, 2).iter().enumerate() {
                    let differing = changed(&one, made);
                    assert!(differing.is_empty(), "{name}, rank {rank} of {ranks} on {device_name}: {differing:?}");
                }
            }
        }
    }
}

/// Many ranks, in one process: a step of 64 batches.
#[test]
fn sixty_four_ranks_make_what_one_program_makes() {
    let setting = setting("small-siman", 64, &["batch=2"]);
    let one = alone(&setting, &Device::Cpu, 1);
    for (rank, made) in together(&setting, &Device::Cpu, 64, 1).iter().enumerate() {
        assert!(changed(&one, made).is_empty(), "rank {rank}");
    }
}

/// What batches leave for those after them in the same step is named.
#[test]
fn batches_that_go_by_each_other_are_refused() {
    for (name, changes, leaf) in
        [("small-moco", &[][..], "queue"), ("small-swav", &["swav.queue=16", "swav.queue_after=0"], "queue.0")]
    {
        let setting = setting(name, 4, changes);
        let m = programs(&setting, &Device::Cpu, 2).map(|_| ()).unwrap_err().to_string();
        assert!(m.contains(leaf) && m.contains("accumulate=N"), "{name}: {m}");
    }
}

/// The second pass of RBCN settles statistics batch by batch: there ranks take turns, and nowhere else.
#[test]
fn only_a_second_pass_takes_turns() {
    for (name, turns) in [("small-siman", false), ("small-rbcn", true)] {
        let made = programs(&setting(name, 4, &[]), &Device::Cpu, 2).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(made.takes_turns(), turns, "{name}");
        assert!(made.exchanged().0 >= made.parameters().0, "all of {name} has gradients");
    }
}
