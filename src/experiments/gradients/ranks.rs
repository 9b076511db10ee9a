//! Training as one of several ranks: what rank 0 tells the others before they begin, and how these begin.

use super::before_training;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::experiments::{Ending, TrainOptions};
use crate::recipe::Recipe;
use crate::train::choose::{Choice, choose, choose_in_turn, first_of};
use crate::train::prepare::Request;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What rank 0 trains, for the others.
#[derive(Serialize, Deserialize)]
struct Told {
    name: String,
    recipe: String,
    select: String,
    normalization: Option<(Vec<f32>, Vec<f32>)>,
}

/// How many ranks train.
pub(super) fn count(options: &TrainOptions) -> usize {
    options.exchange.as_ref().map_or(1, |exchange| exchange.ranks())
}

/// Whether the batches of a step of a run that goes on can be shared out.
///
/// # Errors
/// If they cannot.
pub(super) fn check_batches(options: &TrainOptions, recipe: &Recipe, run: &Path) -> Result<()> {
    let (ranks, together) = (count(options), recipe.accumulate);
    if together.is_multiple_of(ranks) {
        return Ok(());
    }
    let fitting: Vec<String> = (1..=together).filter(|n| together.is_multiple_of(*n)).map(|n| n.to_string()).collect();
    Err(Error::Config(format!(
        "{}: a step of this run has {together} batches of {} images, which {ranks} ranks cannot share: go on with {} ranks",
        run.display(),
        recipe.batch,
        fitting.join(" or ")
    )))
}

/// The device of this program: the one that is asked for, or of several ranks on a machine the one in turn.
pub(super) fn choose_own(options: &TrainOptions, select: &str) -> Result<Choice> {
    match &options.exchange {
        // What a run of several ranks was trained on is no wish for several devices.
        None if options.device.is_none() => choose(first_of(select)),
        None => choose(select),
        Some(exchange) => choose_in_turn(select, exchange.local().0),
    }
}

/// Tells the others what is trained.
pub(super) fn tell(
    options: &TrainOptions,
    name: &str,
    recipe: &Recipe,
    select: &str,
    normalization: &Option<(Vec<f32>, Vec<f32>)>,
) -> Result<()> {
    let Some(exchange) = &options.exchange else { return Ok(()) };
    let (name, select) = (name.to_string(), select.to_string());
    let told = Told { name, recipe: recipe.to_toml()?, select, normalization: normalization.clone() };
    let text = serde_json::to_string(&told).map_err(|e| Error::Config(format!("the recipe cannot be sent: {e}")))?;
    exchange.broadcast_text(&text).map(|_| ())
}

/// Tells the others that there is nothing to train.
pub(super) fn nothing_to_do(options: &TrainOptions) -> Result<()> {
    options.exchange.as_ref().map_or(Ok(()), |exchange| exchange.broadcast_text("").map(|_| ()))
}

/// Trains as a rank that is led by rank 0.
///
/// # Errors
/// What goes wrong.
pub(in crate::experiments) fn follow(exchange: Arc<dyn Exchange>, options: &TrainOptions) -> Result<Ending> {
    let text = exchange.broadcast_text("")?;
    if text.is_empty() {
        return Ok(Ending::Done);
    }
    let told: Told = serde_json::from_str(&text).map_err(|e| {
        Error::Config(format!("what rank 0 trains cannot be read: {e}; start the same program in all ranks"))
    })?;
    let Told { name, recipe, select, normalization } = told;
    let recipe = Recipe::parse(&recipe, Path::new("the recipe of rank 0"))?;
    let data = recipe.open_images()?;
    let choice = choose_own(options, &select)?;
    let (device, select, exchange) = (choice.device, choice.select, Some(exchange));
    let request = Request { name, recipe, data, normalization, device, select, targets: None, exchange };
    let mut prepared = request.prepare()?;
    if let (Device::Gpu(gpu), false) = (prepared.device(), options.no_tune) {
        let found = before_training(gpu, prepared.programs(), options.allow_reorder)?;
        prepared = prepared.on(Device::Gpu(found.device.clone()))?;
    }
    prepared.agree()?;
    prepared.follow()?;
    Ok(Ending::Done)
}
