//! Drivers that fail: a tiny run in which each allocation, submission, mapping and wait fails in turn, in every way that it can.
//! Each run ends with a sentence that says what to do, and what is left of it goes on to the same weights to the bit.

use onebit::data::Split;
use onebit::device::Device;
use onebit::error::{Error, Result};
use onebit::gpu::{AdapterReport, Call, Fault, GpuDevice, GpuOptions, How, LimitSet, adapters};
use onebit::recipe::Recipe;
use onebit::train::checkpoint::Checkpoint;
use onebit::train::job::{Observer, Outcome};
use onebit::train::lock::RunLock;
use onebit::train::prepare::{Place, Prepared, Request};
use onebit::train::run::RunDir;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Two steps and a test, with what a binary network has: floats, bits, statistics, an optimiser's state.
const RECIPE: &str = r#"
description = "Tiny"
method = "supervised"
epochs = 1
batch = 8
lr = 1e-2

[data]
train_images = 16
test_images = 8

[eval]
batch = 8

[checkpoint]
every_steps = 1

[net]
layer = [
    { op = "conv", width = 4, stride = 4 },
    { op = "binary-conv", width = 4 },
    { op = "batch-norm" },
    { op = "global-avg-pool" },
    { op = "classifier" },
]

[optimiser]
kind = "sgd"
momentum = 0.9

[schedule]
kind = "constant"
"#;

struct Silent;

impl Observer for Silent {}

/// A software adapter where there is one: no driver of a real GPU is to be upset.
fn adapter() -> AdapterReport {
    let mut found: Vec<_> = adapters().into_iter().filter(|a| a.usable.is_ok()).collect();
    found.sort_by_key(|a| !a.is_software());
    assert!(!found.is_empty(), "no usable adapter: tests/run.sh installs a driver");
    found.remove(0)
}

fn open(adapter: &AdapterReport, options: GpuOptions) -> GpuDevice {
    GpuDevice::open(adapter, options).unwrap_or_else(|e| panic!("{e}"))
}

fn recipe(settings: &[String]) -> Recipe {
    let recipe = Recipe::parse(RECIPE, Path::new("tiny.toml")).and_then(|r| r.with(settings));
    recipe.unwrap_or_else(|e| panic!("{e}"))
}

fn prepare(recipe: Recipe, data: Split, device: &GpuDevice) -> Result<Prepared> {
    let (name, select, device) = ("tiny".to_string(), "0".to_string(), Device::Gpu(device.clone()));
    Request { name, recipe, data, normalization: None, device, select, targets: None, exchange: None }.prepare()
}

/// Trains in a folder, or goes on with what lies there.
fn train(device: &GpuDevice, path: &Path) -> Result<Outcome> {
    // Decoded once.
    static DATA: LazyLock<Split> = LazyLock::new(|| recipe(&[]).open_images().unwrap_or_else(|e| panic!("{e}")));
    let prepared = prepare(recipe(&[]), DATA.clone(), device)?;
    let place = match path.exists() {
        true => {
            let run = RunDir::open(path)?.0;
            let lock = RunLock::take(&run)?;
            Place::Resumed(run, lock)
        }
        false => Place::New(path.to_path_buf()),
    };
    prepared.start(place)?.fit(&AtomicBool::new(false), &mut Silent)
}

/// What a run ends with: the weights and the optimiser's state.
fn tensors(path: &Path) -> Vec<(String, Vec<u32>)> {
    let checkpoint = Checkpoint::load(&path.join("checkpoints/last.safetensors")).unwrap_or_else(|e| panic!("{e}"));
    let mut all: Vec<_> = checkpoint.tensors.into_iter().map(|(n, t)| (n, t.words().to_vec())).collect();
    all.sort();
    all
}

/// Trains to the end.
fn finish(device: &GpuDevice, path: &Path, title: &str) {
    let outcome = train(device, path).unwrap_or_else(|e| panic!("{title}: {e}"));
    assert!(matches!(outcome, Outcome::Finished(_)), "{title}: {outcome:?}");
}

#[test]
fn every_call_that_fails_ends_with_a_way_on() {
    let adapter = adapter();
    let place = tempfile::tempdir().expect("a temporary folder");
    let good = open(&adapter, GpuOptions::default());
    let whole = place.path().join("whole");
    // The first run compiles, and the second one makes the calls that are counted.
    finish(&good, &place.path().join("first"), "compiling");
    good.plan_fault(None);
    finish(&good, &whole, "without a fault");
    let calls = [Call::Allocate, Call::Submit, Call::Map, Call::Wait].map(|c| good.calls(c));
    eprintln!("allocations, submissions, mappings, waits: {calls:?}");
    assert!(calls.iter().all(|n| *n > 5), "{calls:?}");
    let expected = tensors(&whole);

    let ways = [
        (Call::Allocate, How::OutOfMemory, "out of memory"),
        (Call::Allocate, How::Lost, "lost"),
        (Call::Submit, How::OutOfMemory, "lost (Not enough memory left"),
        (Call::Submit, How::Lost, "lost"),
        (Call::Submit, How::Hung, "not answered"),
        (Call::Map, How::OutOfMemory, "lost (Not enough memory left"),
        (Call::Map, How::Lost, "lost"),
        (Call::Wait, How::Lost, "lost"),
        (Call::Wait, How::Hung, "not answered"),
    ];
    for (call, how, said) in ways {
        let (mut ended, mut whole_again) = (0, 0);
        for nth in 0..calls[call as usize] {
            let title = format!("{call:?} {nth} {how:?}");
            // What only lacks memory can be used again.
            let device = match how == How::OutOfMemory && call == Call::Allocate {
                true => good.clone(),
                false => open(&adapter, GpuOptions::default()),
            };
            let path = place.path().join("run");
            device.plan_fault(Some(Fault { call, nth, how }));
            let outcome = train(&device, &path);
            device.plan_fault(None);
            match outcome {
                // Where memory lacks while it is looked for, a smaller batch of the test is enough, which changes nothing.
                Ok(Outcome::Finished(_)) if call == Call::Allocate && how == How::OutOfMemory => whole_again += 1,
                Ok(_) => panic!("{title}: the run went on as if nothing had been"),
                Err(e @ (Error::Device(_) | Error::Limit(_))) => {
                    let message = e.to_string();
                    assert!(message.contains(said), "{title}: {message}");
                    assert!(message.contains("--set batch=") || message.contains("--device"), "{title}: {message}");
                    let resume = format!("onebit train --resume --out {}", path.display());
                    assert!(!path.exists() || message.contains(&resume), "{title}: {message}");
                    ended += 1;
                }
                Err(e) => panic!("{title}: {e}"),
            }
            if path.exists() {
                finish(&good, &path, &title);
                assert_eq!(tensors(&path), expected, "{title}: the weights are others");
                std::fs::remove_dir_all(&path).expect("it can be removed");
            }
        }
        eprintln!("{call:?} {how:?}: {ended} runs ended with a way on, {whole_again} did without");
        assert!(ended > 0);
    }
}

/// However a step is cut, the weights are the same; and a submission is as short as it was asked to be.
#[test]
fn numbers_do_not_depend_on_where_a_step_is_cut() {
    let adapter = adapter();
    let place = tempfile::tempdir().expect("a temporary folder");
    let mut found = Vec::new();
    for (name, submission) in [("one", Duration::from_secs(3600)), ("each", Duration::ZERO)] {
        let path = place.path().join(name);
        let device = open(&adapter, GpuOptions { submission, ..GpuOptions::default() });
        device.plan_fault(None);
        finish(&device, &path, name);
        found.push((tensors(&path), device.calls(Call::Submit)));
    }
    let [(one, few), (each, many)] = [&found[0], &found[1]];
    assert_eq!(one, each);
    assert!(many > &(few + 20), "{few} and {many} submissions");
}

/// The largest batch that fits is named before training, and fits.
#[test]
fn the_largest_batch_that_fits_is_named() {
    let adapter = adapter();
    let device = open(&adapter, GpuOptions { memory: Some(1 << 18), ..GpuOptions::default() });
    let data = recipe(&["data.train_images=200".into()]).open_images().unwrap_or_else(|e| panic!("{e}"));
    let prepared = |batch: usize| prepare(recipe(&[format!("batch={batch}")]), data.clone(), &device).map(|_| ());
    let message = prepared(150).expect_err("it is too much").to_string();
    let named = message.split("the largest batch that fits is ").nth(1).unwrap_or_else(|| panic!("{message}"));
    let named: usize = named.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{message}"));
    assert!(message.contains(&format!("--set batch={named}")) && message.contains("MiB"), "{message}");
    prepared(named).unwrap_or_else(|e| panic!("{named} of {message}: {e}"));
    prepared(named + 1).expect_err("it was the largest");
}

/// A whole run under the least limits that any device has: 256 invocations, 16 KiB of workgroup memory, 4 storage buffers. The
/// kernels are others, and the weights nearly the same.
#[test]
fn a_run_under_the_least_limits() {
    let adapter = adapter();
    let place = tempfile::tempdir().expect("a temporary folder");
    let mut found = Vec::new();
    for (name, limits) in [("own", LimitSet::Adapter), ("least", LimitSet::Downlevel)] {
        let path = place.path().join(name);
        let device = open(&adapter, GpuOptions { limits, ..GpuOptions::default() });
        assert!(limits == LimitSet::Adapter || device.target().max_storage_buffers == 4);
        finish(&device, &path, name);
        found.push(tensors(&path));
    }
    for ((name, own), (_, least)) in found[0].iter().zip(&found[1]) {
        for (own, least) in own.iter().zip(least) {
            let (own, least) = (f32::from_bits(*own), f32::from_bits(*least));
            assert!(own == least || (own - least).abs() <= 1e-5 * own.abs().max(1e-2), "{name}: {own} and {least}");
        }
    }
}
