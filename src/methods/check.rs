//! What of a recipe goes together.

use super::method;
use super::rbcn::{self, Features};
use super::{burn, compress, finetune, smn};
use crate::error::{Error, Result};
use crate::nn::WeightRule;
use crate::train::recipe::{MethodName, Recipe};

/// Whether a recipe's method, with its settings, reads a teacher.
pub fn wants_teacher(recipe: &Recipe) -> bool {
    match recipe.method {
        MethodName::Supervised | MethodName::Siman | MethodName::Swav | MethodName::Smn | MethodName::Finetune => false,
        // Its teacher is no network: `Targets` reads it.
        MethodName::Compress => false,
        MethodName::Reactnet | MethodName::Burn => true,
        MethodName::Rbcn => recipe.rbcn.as_ref().is_none_or(|r| r.features != Features::None || r.distill > 0.0),
    }
}

/// Whether a method knows what to do with a teacher.
fn may_have_teacher(method: MethodName) -> bool {
    matches!(method, MethodName::Reactnet | MethodName::Rbcn | MethodName::Burn | MethodName::Compress)
}

/// Checks that method, network and settings go together.
///
/// # Errors
/// [`Error::Config`] naming both sides of what does not.
pub fn validate(recipe: &Recipe) -> Result<()> {
    let fail = |m: String| Err(Error::Config(m));
    let name = method(recipe.method).name();
    let tables = [
        ("rbcn", recipe.rbcn.is_some(), &["rbcn"][..]),
        ("swav", recipe.swav.is_some(), &["swav", "burn", "smn"]),
        ("burn", recipe.burn.is_some(), &["burn"]),
        ("smn", recipe.smn.is_some(), &["smn"]),
        ("finetune", recipe.finetune.is_some(), &["finetune"]),
        ("compress", recipe.compress.is_some(), &["compress"]),
    ];
    if let Some((table, _, of)) = tables.iter().find(|(_, there, of)| *there && !of.contains(&name)) {
        let methods: Vec<String> = of.iter().map(|m| format!("method = {m:?}")).collect();
        return fail(format!("the table [{table}] belongs to {}, this is method = \"{name}\"", methods.join(" or ")));
    }
    if let Some(spec) = &recipe.swav {
        spec.validate()?;
    }
    if recipe.teacher.is_some() && !may_have_teacher(recipe.method) {
        return fail(format!("method = \"{name}\" has no teacher, but the recipe has a table [teacher]"));
    }
    if recipe.teacher.is_none() && wants_teacher(recipe) {
        return fail(format!(
            "method = \"{name}\" learns from a teacher, but the recipe has no [teacher] with its run"
        ));
    }
    let weights = recipe.net.binarization.weights;
    let magnitudes = recipe.net.binary && weights == WeightRule::Magnitude;
    // The float twin of a recipe has its method.
    if recipe.method == MethodName::Siman && recipe.net.binary && !magnitudes {
        return fail(
            "method = \"siman\" trains weights by their magnitude: it needs net.binarization.weights = \"magnitude\""
                .into(),
        );
    }
    if magnitudes && recipe.net.binarization.magnitude.is_some_and(|m| m.clamp) && recipe.method != MethodName::Siman {
        return fail(format!(
            "net.binarization.magnitude.clamp opens over the epochs of method = \"siman\"; method = \"{name}\" has no \
             such schedule"
        ));
    }
    match recipe.method {
        MethodName::Rbcn => rbcn::validate(recipe),
        MethodName::Burn => burn::validate(recipe),
        MethodName::Smn => smn::validate(recipe),
        MethodName::Finetune => finetune::validate(recipe),
        MethodName::Compress => compress::validate(recipe),
        _ => Ok(()),
    }
}
