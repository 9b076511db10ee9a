//! Reads the network that a recipe learns from.

use super::checkpoint::Checkpoint;
use super::origin::{Origin, exists, is_file, not_there};
use super::run::RunDir;
use crate::error::{Error, Result};
use crate::methods::projector::Projector;
use crate::methods::{Teacher, TeacherUse};
use crate::nn::NetSpec;
use crate::recipe::Recipe;
use std::collections::HashMap;
use std::path::Path;

/// The head of a teacher that is not there: SwAV's as it is unless set otherwise.
const RANDOM_HEAD: Projector = Projector { hidden: 512, norm: true, out: 128 };

fn reads_network(recipe: &Recipe) -> bool {
    recipe.method().teacher(recipe) == TeacherUse::Network
}

impl Teacher {
    /// The teacher that a recipe names, if it does.
    ///
    /// # Errors
    /// If the run is not there, has no checkpoint, or is a network of binary weights.
    pub fn of(recipe: &Recipe) -> Result<Option<Teacher>> {
        let Some(spec) = recipe.teacher.as_ref().filter(|_| reads_network(recipe)) else { return Ok(None) };
        let missing = |why: String| {
            let command =
                spec.trained_by.as_ref().map(|recipe| format!(": train it first with  onebit train {recipe}"));
            Error::Config(format!(
                "the recipe learns from the teacher teacher.run = {:?}, but {why}{}; or name another run with --set \
                 teacher.run=DIR",
                spec.run,
                command.unwrap_or_default()
            ))
        };
        let path = Path::new(&spec.run);
        if !exists(path) {
            let why = match path.exists() {
                true => format!("{} is there, {}", path.display(), not_there(path)),
                false => "there is no such run directory, nor such a file of weights".into(),
            };
            return Err(missing(why));
        }
        if path.is_dir() && !is_file(path) && !RunDir::open(path)?.0.last().is_file() {
            return Err(missing("that run has no checkpoint yet".into()));
        }
        let Origin { net, tensors, head, mut mean, mut std, .. } = Origin::open(path)?;
        // Weights made elsewhere do not say how their images were normalised: what the recipe says holds for both.
        if let Some(stats) =
            recipe.augment.normalize.as_ref().filter(|_| is_file(path) && Checkpoint::run_of(path).is_none())
        {
            (mean, std) = (stats.mean.clone(), stats.std.clone());
        }
        if net.is_binary() && !net.binarization.weights.is_real() {
            return Err(Error::Config(format!(
                "the teacher {} is a binary network (net.binary = true); a teacher must be in full precision, or at least of real \
                 weights (net.binarization.weights = \"real\")",
                spec.run
            )));
        }
        Ok(Some(Teacher { name: spec.run.clone(), net, head, tensors, mean, std }))
    }

    /// As [`Teacher::of`]; where the run is not there, one with random weights, of the student's shape in full
    /// precision. For looking at what a step computes and how long it takes. With whether it is trained.
    pub fn for_a_look(recipe: &Recipe) -> Result<Option<(Teacher, bool)>> {
        let Some(spec) = recipe.teacher.as_ref().filter(|_| reads_network(recipe)) else { return Ok(None) };
        if exists(Path::new(&spec.run)) {
            return Ok(Self::of(recipe)?.map(|t| (t, true)));
        }
        let net = NetSpec { binary: Some(false), ..recipe.net.clone() };
        let name = format!("a random teacher in place of {}", spec.run);
        // As many outputs as the student's own head has, where they are compared.
        let own = recipe.method().head(recipe);
        let head = Projector { out: own.map_or(RANDOM_HEAD.out, |head| head.out), ..RANDOM_HEAD };
        Ok(Some((
            Teacher { name, net, head: Some(head), tensors: HashMap::new(), mean: Vec::new(), std: Vec::new() },
            false,
        )))
    }
}
