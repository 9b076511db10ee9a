//! What a run takes from an earlier one that it starts from.

use super::checkpoint::leaves;
use super::origin::{Origin, PLACES, exists, not_there, other_places};
use super::programs::Programs;
use crate::error::{Error, Result};
use crate::methods::{ImageInfo, Teacher};
use crate::recipe::{Recipe, built_in};
use crate::tensor::HostTensor;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Normalises images as the recipe says; else as the network saw them that this one learns from, or starts from.
pub fn normalised_as(recipe: &Recipe, teacher: Option<&Teacher>, images: &mut ImageInfo) -> Result<()> {
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

/// The layer that tells classes apart.
const LAST: &str = "fc.";

/// Gives programs the network that `start_from` names. Its last layer stays behind where it tells other classes apart than
/// `classes`. Returns what is to be said of it.
///
/// # Errors
/// If it is not there, or is not of this network.
pub fn start_from(recipe: &Recipe, classes: &[String], programs: &mut Programs) -> Result<Option<String>> {
    if recipe.start_from.is_empty() {
        return Ok(None);
    }
    let path = Path::new(&recipe.start_from);
    if !exists(path) {
        // A run is called after its recipe unless the user names it.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = !path.exists() && built_in().iter().any(|(built_in, _)| *built_in == name);
        let first = if known { format!(": train it first with  onebit train {name}") } else { String::new() };
        return Err(Error::Config(format!(
            "the recipe starts from the run start_from = {:?}, {}{first}; or name another one with --from DIR",
            recipe.start_from,
            not_there(path)
        )));
    }
    let fail = |m: String| Err(Error::Config(format!("start_from = {:?}: {m}", recipe.start_from)));
    let method = recipe.method();
    let mut start = Origin::open(path)?;
    let mut said = recipe.start_from.clone();
    if let Some([h, w]) = square_places(programs, &start) {
        let other = other_places(&start.tensors, start.resampling, [h, w]);
        start.tensors.extend(other.map(|places| (PLACES.to_string(), places)));
        said += &format!("; its embeddings of places are resampled for {h} by {w} patches");
    }
    let mut inherited: HashMap<&String, &HostTensor> =
        start.tensors.iter().filter(|(name, _)| method.inherits(recipe, name)).collect();
    let mut missing = Vec::new();
    // What the method makes of the rest before the first step is not missed.
    let made = programs.start.iter().flat_map(|p| p.graph.assigns().iter().map(|(leaf, _)| p.graph.name(*leaf)));
    let made: HashSet<String> = made.map(str::to_string).collect();
    let (mut taken, mut taken_names) = (0, HashSet::new());
    // Of the same number, but others: only names tell.
    let mut of_other_classes = !start.classes.is_empty() && !classes.is_empty() && start.classes != classes;
    of_other_classes &= inherited.keys().any(|name| name.starts_with(LAST));
    for graph in programs.step.iter().map(|(_, p)| p.graph.clone()) {
        for v in leaves(&graph).into_iter().filter(|v| !graph.name(*v).starts_with("optim.")) {
            let name = graph.name(v);
            match inherited.get(&name.to_string()) {
                Some(t) if t.shape() == graph.shape(v) => {
                    taken += usize::from(!name.starts_with(LAST));
                    taken_names.insert(name.to_string());
                }
                Some(_) if name.starts_with(LAST) => {
                    of_other_classes = true;
                    taken_names.insert(name.to_string());
                }
                Some(t) => {
                    return fail(format!("its {name} is {}, this network's is {}", t.shape(), graph.shape(v)));
                }
                None if made.contains(name) || missing.iter().any(|m| m == name) => {}
                None => missing.push(name.to_string()),
            }
        }
    }
    if taken == 0 {
        return fail("it has none of this network's tensors".into());
    }
    if recipe.network().adapt.is_some() {
        // What is adapted must all be there: its numbers stay as they are. Scores and heads are new.
        let of_base = |name: &&String| !name.ends_with(".scores") && method.inherits(recipe, name);
        if let Some(name) = missing.iter().find(of_base) {
            return fail(format!("it has no {name}, which this network needs"));
        }
    }
    if of_other_classes {
        inherited.retain(|name, _| !name.starts_with(LAST));
        said += &format!(
            "; its last layer ({LAST}*) tells other classes apart ({}) than these images have ({}): that layer starts anew",
            listed(&start.classes, start.tensors.get("fc.weight").map_or(0, |t| t.shape().rows())),
            listed(classes, classes.len()),
        );
    }
    if !missing.is_empty() {
        said += &format!("; what it lacks starts as the recipe says: {}", some_of(&missing));
    }
    let mut unused: Vec<&str> = inherited
        .keys()
        .filter(|n| !taken_names.contains(**n) && !n.starts_with("metrics."))
        .map(|n| n.as_str())
        .collect();
    if !unused.is_empty() {
        unused.sort_unstable();
        said += &format!("; what this network does not have is left out: {}", some_of(&unused));
    }
    programs.given.extend(inherited.into_iter().map(|(name, t)| (name.clone(), t.clone())));
    Ok(Some(said))
}

/// The patches that a step's network has, where they are a square and another number than those that it starts from.
fn square_places(programs: &Programs, start: &Origin) -> Option<[usize; 2]> {
    let known = start.tensors.get(PLACES)?;
    let graphs = programs.step.iter().map(|(_, p)| &p.graph);
    let leaf = graphs.into_iter().find_map(|g| Some(g.shape(g.find(PLACES)?).clone()))?;
    let places = leaf[0] - usize::from(start.tensors.contains_key("cls_token"));
    let side = places.isqrt();
    (leaf != *known.shape() && leaf.columns() == known.shape().columns() && side * side == places).then_some([side; 2])
}

/// The first of some names, and how many more there are.
fn some_of(names: &[impl AsRef<str>]) -> String {
    const SAID: usize = 12;
    let first: Vec<&str> = names.iter().take(SAID).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SAID) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// How many classes there are, and the first of them.
fn listed(names: &[String], count: usize) -> String {
    match names {
        [] => format!("{count}, whose names are not known"),
        few if few.len() < 8 => format!("{count}: {}", few.join(", ")),
        _ => format!("{count}: {}, ...", names[..6].join(", ")),
    }
}
