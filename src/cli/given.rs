//! What a run takes from earlier ones: a teacher, and weights to start from.

use super::text::say;
use crate::methods::method;
use crate::tensor::HostTensor;
use crate::train::checkpoint::leaves;
use crate::train::method::ImageInfo;
use crate::train::origin::{Origin, exists};
use crate::train::recipe::Recipe;
use crate::train::scheduler::Plan;
use crate::train::teacher::Teacher;
use anyhow::bail;
use std::collections::HashMap;
use std::path::Path;

/// The teacher that a recipe names or, if it is not trained yet, a random one: for looking at what a step computes.
pub fn teacher_for_a_look(recipe: &Recipe) -> anyhow::Result<Option<Teacher>> {
    let Some((teacher, trained)) = Teacher::for_a_look(recipe)? else { return Ok(None) };
    if !trained {
        say(format!("note    {}: nothing here depends on what it has learned", teacher.name))?;
    }
    Ok(Some(teacher))
}

/// Normalises images as the recipe says; else as the network saw them that this one learns from, or starts from.
pub fn normalised_as(recipe: &Recipe, teacher: Option<&Teacher>, images: &mut ImageInfo) -> anyhow::Result<()> {
    if let Some(stats) = &recipe.augment.normalize {
        (images.mean, images.std) = (stats.mean.clone(), stats.std.clone());
        return Ok(());
    }
    let mut earlier = teacher.and_then(|t| t.normalization()).map(|(mean, std)| (mean.to_vec(), std.to_vec()));
    if earlier.is_none() && !recipe.start_from.is_empty() && exists(Path::new(&recipe.start_from)) {
        let start = Origin::open(Path::new(&recipe.start_from))?;
        earlier = Some((start.mean, start.std));
    }
    if let Some((mean, std)) = earlier.filter(|(mean, _)| mean.len() == images.mean.len()) {
        (images.mean, images.std) = (mean, std);
    }
    Ok(())
}

/// Gives a plan the network that `start_from` names. Returns what is to be said of it.
pub fn start_from(recipe: &Recipe, plan: &mut Plan) -> anyhow::Result<Option<String>> {
    if recipe.start_from.is_empty() {
        return Ok(None);
    }
    let path = Path::new(&recipe.start_from);
    if !exists(path) {
        // A run is called after its recipe unless the user names it.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = Recipe::built_in().iter().any(|(built_in, _)| *built_in == name);
        let first = if known { format!(": train it first with  onebit train {name}") } else { String::new() };
        bail!(
            "the recipe starts from the run start_from = {:?}, which is not there{first}; or name another one with --set \
             start_from=DIR",
            recipe.start_from
        );
    }
    let start = Origin::open(path)?;
    let carried: HashMap<&String, &HostTensor> =
        start.tensors.iter().filter(|(name, _)| method(recipe.method).carries(recipe, name)).collect();
    let mut missing = Vec::new();
    let mut taken = 0;
    for graph in plan.step.iter().map(|(_, p)| p.graph.clone()) {
        for v in leaves(&graph).into_iter().filter(|v| !graph.name(*v).starts_with("optim.")) {
            let name = graph.name(v);
            match carried.get(&name.to_string()) {
                Some(t) if t.shape() == graph.shape(v) => taken += 1,
                Some(t) => bail!(
                    "start_from = {:?}: its {name} is {}, this network's is {}",
                    recipe.start_from,
                    t.shape(),
                    graph.shape(v)
                ),
                None if missing.iter().any(|m| m == name) => {}
                None => missing.push(name.to_string()),
            }
        }
    }
    if taken == 0 {
        bail!("start_from = {:?}: it has none of this network's tensors", recipe.start_from);
    }
    if recipe.network().adapt.is_some() {
        // What is adapted must all be there: its numbers stay as they are. Scores and heads are new.
        let of_base = |name: &&String| !name.ends_with(".scores") && method(recipe.method).carries(recipe, name);
        if let Some(name) = missing.iter().find(of_base) {
            bail!("start_from = {:?}: it has no {name}, which this network needs", recipe.start_from);
        }
    }
    plan.given.extend(carried.into_iter().map(|(name, t)| (name.clone(), t.clone())));
    Ok(Some(match missing.as_slice() {
        [] => recipe.start_from.clone(),
        some => format!("{}; what it lacks starts as the recipe says: {}", recipe.start_from, some.join(", ")),
    }))
}
