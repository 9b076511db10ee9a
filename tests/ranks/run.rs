//! Whole runs: the loop in rank 0, the others led by it, and what lies in the run directory in the end.

use crate::method::recipe;
use onebit::device::Device;
use onebit::error::Result;
use onebit::exchange::Exchange;
use onebit::exchange::simulated::team;
use onebit::recipe::Recipe;
use onebit::train::job::{Observer, Outcome};
use onebit::train::prepare::{Place, Prepared, Request};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

struct Silent;

impl Observer for Silent {}

fn prepare(recipe: &Recipe, exchange: Option<Arc<dyn Exchange>>) -> Result<Prepared> {
    let (name, select) = ("small".to_string(), "cpu".to_string());
    let (recipe, data) = (recipe.clone(), recipe.open_images()?);
    let device = Device::Cpu;
    Request { name, recipe, data, normalization: None, device, select, targets: None, exchange }.prepare()
}

fn lead(recipe: &Recipe, exchange: Option<Arc<dyn Exchange>>, out: &Path) -> Result<Outcome> {
    let prepared = prepare(recipe, exchange)?;
    prepared.agree()?;
    prepared.start(Place::New(out.to_path_buf()))?.fit(&AtomicBool::new(false), &mut Silent)
}

fn train(recipe: &Recipe, ranks: usize, out: &Path) {
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for rank in team(ranks) {
            let run = move || match rank.rank() {
                0 => lead(recipe, Some(Arc::new(rank)), out).map(|_| ()),
                _ => {
                    let prepared = prepare(recipe, Some(Arc::new(rank)))?;
                    prepared.agree()?;
                    prepared.follow()
                }
            };
            threads.push(scope.spawn(run));
        }
        threads.into_iter().for_each(|t| t.join().expect("a rank panicked").unwrap_or_else(|e| panic!("{e}")));
    });
}

/// The metrics without what was measured of time.
fn timeless(run: &Path) -> Vec<serde_json::Value> {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let timeless = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("images_per_second");
        line
    };
    lines.lines().map(timeless).collect()
}

/// Weights, metrics and what was chosen: by logits and by neighbours, with a test set that leaves a rank without a last batch, and
/// best weights that are not the last.
#[test]
fn a_run_of_ranks_writes_what_one_program_writes() {
    let dir = tempfile::tempdir().unwrap();
    let changes =
        ["accumulate=3", "batch=6", "data.train_images=60", "data.val=0.2", "data.test_images=27", "epochs=3"];
    for name in ["small-float", "small-swav"] {
        let recipe = recipe(name, &changes);
        let place = |ranks: usize| dir.path().join(format!("{name}-{ranks}"));
        lead(&recipe, None, &place(1)).unwrap_or_else(|e| panic!("{e}"));
        train(&recipe, 3, &place(3));
        for file in ["checkpoints/last.safetensors", "checkpoints/best.safetensors", "config.toml"] {
            let [one, three] = [1, 3].map(|ranks| fs::read(place(ranks).join(file)).unwrap());
            assert!(one == three, "{name}: {file}");
        }
        let (one, three) = (timeless(&place(1)), timeless(&place(3)));
        assert_eq!(one, three, "{name}");
        assert!(one.len() > 6, "{name} logged {} lines", one.len());
    }
}

/// Before the first step: other images than rank 0's.
#[test]
fn a_rank_with_other_images_is_named() {
    let changes = ["accumulate=2", "augment.normalize={ mean = [0.286], std = [0.353] }"];
    let recipes =
        [recipe("small-float", &changes), recipe("small-float", &[&changes[..], &["data.train_images=40"]].concat())];
    let said: Vec<String> = std::thread::scope(|scope| {
        let recipes = &recipes;
        let run = |rank: usize, exchange: Arc<dyn Exchange>| prepare(&recipes[rank], Some(exchange))?.agree();
        let threads: Vec<_> = team(2)
            .into_iter()
            .map(|rank| scope.spawn(move || run(rank.rank(), Arc::new(rank)).unwrap_err().to_string()))
            .collect();
        threads.into_iter().map(|t| t.join().expect("a rank panicked")).collect()
    });
    for m in said {
        assert!(m.starts_with("rank 1 has another data set than rank 0: 40 images") && m.contains("32 images"), "{m}");
    }
}
