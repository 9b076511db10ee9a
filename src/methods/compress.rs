//! Unsupervised model compression (X.-L. Zhang, "Unsupervised model compression for multilayer bootstrap networks", 2015,
//! arXiv 1503.06452): a fitted model and its application are a black box, and a network learns to map images to what comes
//! out of it. Labels take no part.
//!
//! ```text
//! clusters:    cross-entropy of the cluster's number
//! coordinates: mean of (y - z)² over images and coordinates, z = the coordinates over their deviations;
//!              the cluster of an image is that of the nearest centre
//! ```

use super::parts;
use super::tracking::{correct, track};
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Meta, Value};
use crate::methods::{Graphs, LOGITS, Method, Targets, Task, TeacherUse};
use crate::nn::Mode;
use crate::recipe::{OwnTable, Recipe};
use crate::tensor::HostTensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What the network learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CompressTarget {
    /// The number of the cluster.
    #[default]
    Clusters,
    /// The principal components of the last code.
    Coordinates,
}

/// Compression's settings, as they stand in a recipe's `[compress]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CompressSpec {
    /// What the network learns.
    pub target: CompressTarget,
}

/// Compression of a multilayer bootstrap network.
#[derive(Clone, Copy, Debug)]
pub struct Compress;

impl Method for Compress {
    fn name(&self) -> &'static str {
        "compress"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<CompressSpec>("compress")] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        if recipe.teacher.is_none() {
            return Err(Error::Config(
                "method = \"compress\" learns from a multilayer bootstrap network, but the recipe has no [teacher] with its \
                 run"
                    .into(),
            ));
        }
        Ok(())
    }

    fn teacher(&self, _recipe: &Recipe) -> TeacherUse {
        TeacherUse::Targets
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        if target(task.recipe) == CompressTarget::Clusters {
            return Ok(Graphs::step(super::supervised::train(task, batch)?));
        }
        let given = HashMap::from([(COORDINATES.to_string(), whitened(task.targets()?))]);
        Ok(Graphs { given, ..Graphs::step(learn_coordinates(task, batch)?) })
    }

    fn eval(&self, task: &Task<'_>, batch: usize) -> Result<Graph> {
        if target(task.recipe) == CompressTarget::Clusters {
            return Ok(parts::eval_graph(task, batch, Mode::Eval)?.0);
        }
        let targets = task.targets()?;
        let (g, ()) = parts::graph(|g| {
            let x = parts::eval_input(g, task, batch)?;
            let y = task.recipe.network().build(g, x, targets.deviation.len(), Mode::Eval, None)?;
            let logits = nearness(g, targets, y)?;
            g.output(LOGITS, logits);
            Ok(())
        })?;
        Ok(g)
    }
}

/// The table of what images should become, a row each.
const COORDINATES: &str = "teacher.coordinates";

/// What a recipe's network learns.
pub fn target(recipe: &Recipe) -> CompressTarget {
    recipe.settings::<CompressSpec>("compress").target
}

/// Coordinates over their deviations, `[n, q]`.
fn whitened(targets: &Targets) -> HostTensor {
    let rows = &targets.coordinates;
    let scaled = rows.rows().flat_map(|row| row.iter().zip(&targets.deviation).map(|(x, s)| x / s));
    HostTensor::from_f32([rows.n(), rows.d()], scaled.collect())
}

/// One step: images to coordinates, squared error, gradients, updates. An image's label is its row of the table.
fn learn_coordinates(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let targets = task.targets()?;
    let (n, q) = (targets.coordinates.n(), targets.coordinates.d());
    let (g, ()) = parts::graph(|g| {
        let inputs = parts::inputs(g, task, batch)?;
        let y = task.recipe.network().build(g, inputs.x, q, Mode::Train, Some(inputs.halted))?;
        let table = g.state(COORDINATES, Meta::f32([n, q]), Init::Zeros)?;
        let wanted = g.gather(table, inputs.labels)?;
        let difference = g.sub(y, wanted)?;
        let squares = g.square(difference)?;
        let loss = g.mean_all(squares)?;
        // Right is an image whose nearest centre is that of its target.
        let (said, meant) = (nearness(g, targets, y)?, nearness(g, targets, wanted)?);
        let meant = g.argmax(meant, 1)?;
        let labels = g.reshape(meant, [batch])?;
        let right = correct(g, said, labels)?;
        let stop = track(g, loss, right)?;
        parts::optimiser_step(g, task.recipe, loss, stop)
    })?;
    Ok(g)
}

/// `2 y·c - |c|²` for each centre c, `[n, clusters]`: the nearest one has the largest. `y` is over the deviations.
fn nearness(g: &mut Graph, of: &Targets, y: Value) -> Result<Value> {
    let q = of.deviation.len();
    let centres = &of.centres;
    let clusters = centres.len() / q;
    let scaled = centres.chunks_exact(q).flat_map(|c| c.iter().zip(&of.deviation).map(|(c, s)| 2.0 * *c as f32 * s));
    let weight = g.constant(HostTensor::from_f32([clusters, q], scaled.collect()));
    let squares = centres.chunks_exact(q).map(|c| -c.iter().map(|c| c * c).sum::<f64>() as f32);
    let bias = g.constant(HostTensor::from_f32([clusters], squares.collect()));
    g.linear(y, weight, Some(bias))
}
