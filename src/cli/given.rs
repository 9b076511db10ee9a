//! What a run takes from earlier ones: a teacher, and weights to start from.

use super::text::say;
use crate::train::checkpoint::Checkpoint;
use crate::train::recipe::Recipe;
use crate::train::run::RunDir;
use crate::train::scheduler::Plan;
use crate::train::teacher::Teacher;
use anyhow::bail;
use std::path::Path;

/// The teacher that a recipe names or, if it is not trained yet, a random one: for looking at what a step computes.
pub fn teacher_for_a_look(recipe: &Recipe) -> anyhow::Result<Option<Teacher>> {
    let Some((teacher, trained)) = Teacher::for_a_look(recipe)? else { return Ok(None) };
    if !trained {
        say(format!("note    {}: nothing here depends on what it has learned", teacher.name))?;
    }
    Ok(Some(teacher))
}

/// Gives a plan the network that `start_from` names. Returns what is to be said of it.
pub fn start_from(recipe: &Recipe, plan: &mut Plan) -> anyhow::Result<Option<String>> {
    if recipe.start_from.is_empty() {
        return Ok(None);
    }
    let path = Path::new(&recipe.start_from);
    if !path.is_dir() {
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
    let (run, ..) = RunDir::open(path)?;
    let checkpoint = Checkpoint::load(&run.last())?;
    let mut missing = Vec::new();
    let mut taken = 0;
    for graph in plan.step.iter().map(|(_, p)| p.graph.clone()) {
        for v in graph.params() {
            let name = graph.name(v);
            match checkpoint.tensors.get(name) {
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
    let network = checkpoint.tensors.into_iter().filter(|(name, _)| !name.starts_with("optim."));
    plan.given.extend(network);
    Ok(Some(match missing.as_slice() {
        [] => recipe.start_from.clone(),
        some => format!("{}; what it lacks starts as the recipe says: {}", recipe.start_from, some.join(", ")),
    }))
}
