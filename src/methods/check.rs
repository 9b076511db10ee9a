//! What of a recipe goes together.

use super::method;
use super::rbcn::{self, Features};
use crate::error::{Error, Result};
use crate::nn::WeightRule;
use crate::train::recipe::{MethodName, Recipe};

/// Whether a recipe's method, with its settings, reads a teacher.
pub fn wants_teacher(recipe: &Recipe) -> bool {
    match recipe.method {
        MethodName::Supervised | MethodName::Siman | MethodName::Swav => false,
        MethodName::Reactnet => true,
        MethodName::Rbcn => recipe.rbcn.as_ref().is_none_or(|r| r.features != Features::None || r.distill > 0.0),
    }
}

/// Checks that method, network and settings go together.
///
/// # Errors
/// [`Error::Config`] naming both sides of what does not.
pub fn validate(recipe: &Recipe) -> Result<()> {
    let fail = |m: String| Err(Error::Config(m));
    let name = method(recipe.method).name();
    let of_rbcn = recipe.method == MethodName::Rbcn;
    if recipe.rbcn.is_some() && !of_rbcn {
        return fail(format!("the table [rbcn] belongs to method = \"rbcn\", this is method = \"{name}\""));
    }
    let of_swav = recipe.method == MethodName::Swav;
    if recipe.swav.is_some() && !of_swav {
        return fail(format!("the table [swav] belongs to method = \"swav\", this is method = \"{name}\""));
    }
    if let Some(spec) = &recipe.swav {
        spec.validate()?;
    }
    let alone = matches!(recipe.method, MethodName::Supervised | MethodName::Siman | MethodName::Swav);
    if recipe.teacher.is_some() && alone {
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
    if of_rbcn { rbcn::validate(recipe) } else { Ok(()) }
}
