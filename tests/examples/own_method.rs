//! An own method: classification with a penalty on confident answers, `loss = cross-entropy - beta H(p)` (Pereyra et al. 2017).
//! A recipe names it, the loop of `onebit train` runs it and keeps a run directory, and the network is tested from that.
//!
//!     cargo run --release --example own_method

use onebit::error::{Error, Result};
use onebit::experiments::gradients::TrainedRun;
use onebit::experiments::{self, Ending, TrainOptions, Which};
use onebit::methods::{Graphs, METHODS, Method, Task, parts};
use onebit::nn::Mode;
use onebit::recipe::{OwnTable, Recipe};
use onebit::train::evaluate::evaluate;
use onebit::train::inference::{inference_tensors, load};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;

struct Unconfident;

/// Its own table of a recipe.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Penalty {
    /// Weight of the entropy of the network's answers.
    beta: f32,
}

impl Method for Unconfident {
    fn name(&self) -> &'static str {
        "unconfident"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<Penalty>("penalty")] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        match recipe.own::<Penalty>("penalty") {
            Some(Penalty { beta }) if beta >= 0.0 => Ok(()),
            _ => Err(Error::Config("method = \"unconfident\" wants a table [penalty] with a beta from 0 on".into())),
        }
    }

    /// So that recipes may smooth and weigh its labels, and mix them.
    fn classifies(&self, _recipe: &Recipe) -> bool {
        true
    }

    /// A step: images and labels come augmented and normalised, the loss is ours, the rest is the recipe's.
    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        let Penalty { beta } = task.recipe.own("penalty").expect("the recipe was validated");
        let step = parts::plain_step(task, batch, |g, inputs| {
            let net = task.recipe.network();
            let logits = net.build(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
            let loss = parts::classification_loss(g, task.recipe, logits, inputs)?;
            // -H(p), the mean over the images.
            let (p, log_p) = (g.softmax(logits)?, g.log_softmax(logits)?);
            let terms = g.mul(p, log_p)?;
            let rows = g.sum(terms, &[1])?;
            let confidence = g.mean_all(rows)?;
            let penalty = g.scale(confidence, beta)?;
            Ok((logits, g.add(loss, penalty)?))
        })?;
        Ok(Graphs::step(step))
    }
}

const RECIPE: &str = r#"
description = "A binary perceptron that is not too sure"
method = "unconfident"
epochs = 2
batch = 100
lr = 3e-3
net = { kind = "mlp", binary = true, widths = [256] }
penalty = { beta = 0.1 }
optimiser = { kind = "adam" }
schedule = { kind = "cosine" }
"#;

/// The program; the tests run it too.
pub fn main() -> Result<()> {
    METHODS.add(&Unconfident)?;
    let folder = tempfile::tempdir().map_err(Error::io("the folder for temporary files", "make"))?;
    let (recipe, run) = (folder.path().join("unconfident.toml"), folder.path().join("run"));
    std::fs::write(&recipe, RECIPE).map_err(Error::io(&recipe, "write"))?;

    // As `onebit train unconfident.toml --out run --device cpu` does it, in a program that knows the method.
    let (recipe, device) = (Some(recipe.display().to_string()), Some("cpu".to_string()));
    let ending = experiments::train(&TrainOptions { recipe, device, out: Some(run.clone()), ..Default::default() })?;
    assert_eq!(ending, Ending::Done);

    // What the run kept: its recipe, its images, its last checkpoint. Of that, what inference needs.
    let t = TrainedRun::open(&run, Which::Last, None)?;
    assert_eq!((t.recipe.method().name(), t.checkpoint.position.epoch), ("unconfident", 2));
    let task = Task { recipe: &t.recipe, images: &t.images, teacher: None, targets: None };
    let network = inference_tensors(&task, &t.checkpoint.tensors)?;
    let mut runner = load(&task, 100, network, &onebit::device::Device::Cpu)?;
    let test = evaluate(&t.recipe, &mut runner, &t.data, 100, &AtomicBool::new(false))?.expect("nobody stops this");
    println!("{:.1} % of {} test images", 100.0 * test.accuracy, test.images);
    assert!(test.accuracy > 0.5, "guessing gives 10 %");
    Ok(())
}
