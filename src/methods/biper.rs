//! BiPer: binary networks by a periodic function (Vargas et al., CVPR 2024, arXiv 2404.01278), as released for CIFAR-10.
//!
//! What is binary is a matter of the network (`nn/weights/periodic.rs`): in a first run the weights are `sin(ω W)`
//! (`net.binarization.weights = "sine"`), in a second one, which starts from it, their signs (`"square-wave"`). Besides the
//! cross-entropy both minimise
//!
//! ```text
//! τ Σ_layers mean(sin²(ω W))
//! ```
//!
//! which draws weights to where their bit turns.

use super::parts;
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::methods::tracking::track_mean;
use crate::methods::{Graphs, Method, Task};
use crate::nn::{Mode, Network, WeightRule};
use crate::recipe::{OwnTable, Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// BiPer's settings, as they stand in a recipe's `[biper]` table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BiperSpec {
    /// τ: the weight of what draws the sine to 0; 0 leaves it out, as the release does on ImageNet.
    pub tau: f32,
}

impl Default for BiperSpec {
    fn default() -> Self {
        BiperSpec { tau: 0.037 }
    }
}

/// BiPer.
#[derive(Clone, Copy, Debug)]
pub struct Biper;

impl Method for Biper {
    fn name(&self) -> &'static str {
        "biper"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<BiperSpec>("biper")] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        let tau = settings(recipe).tau;
        if !(tau >= 0.0 && tau.is_finite()) {
            return Err(Error::Config(format!("biper.tau = {tau}: give a number from 0 on")));
        }
        let waves = [WeightRule::Sine, WeightRule::SquareWave];
        if recipe.net.is_binary() && !waves.contains(&recipe.net.binarization.weights) {
            return Err(Error::Config(
                "method = \"biper\" trains waves of weights: it needs net.binarization.weights = \"sine\" (first) or \
                 \"square-wave\" (then)"
                    .into(),
            ));
        }
        Ok(())
    }

    fn classifies(&self, _recipe: &Recipe) -> bool {
        true
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs::step(train(task, batch)?))
    }
}

fn settings(recipe: &Recipe) -> BiperSpec {
    recipe.settings("biper")
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let tau = settings(task.recipe).tau;
    parts::plain_step(task, batch, |g, inputs| {
        let net = task.recipe.network().network(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
        let loss = parts::classification_loss(g, task.recipe, net.logits, inputs)?;
        let Some(pull) = pull(g, task.recipe, &net)?.filter(|_| tau > 0.0) else { return Ok((net.logits, loss)) };
        track_mean(g, "sine_loss", pull, inputs.halted)?;
        let weighted = g.scale(pull, tau)?;
        Ok((net.logits, g.add(loss, weighted)?))
    })
}

/// `Σ_layers mean(sin²(ω W))`, if the network has binary layers.
fn pull(g: &mut Graph, recipe: &Recipe, net: &Network) -> Result<Option<Value>> {
    let binarization = &recipe.net.binarization;
    let mut sum = None;
    for w in net.binary.iter().filter_map(|layer| layer.weight) {
        let sine = match binarization.weights {
            // What it convolves with.
            WeightRule::Sine => w,
            _ => {
                let u = g.scale(w, binarization.half_periods())?;
                g.sine_wave(u)?
            }
        };
        let squares = g.square(sine)?;
        let mean = g.mean_all(squares)?;
        sum = Some(match sum {
            Some(sum) => g.add(sum, mean)?,
            None => mean,
        });
    }
    Ok(sum)
}
