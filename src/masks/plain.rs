//! A network that was adapted, as one that is not.

use super::apply::apply;
use super::made::from_run;
use crate::device::Device;
use crate::error::Result;
use crate::methods::method;
use crate::nn::Adapted;
use crate::tensor::HostTensor;
use crate::train::method::{ImageInfo, Judge};
use crate::train::recipe::{MethodName, Recipe};
use std::collections::HashMap;

/// The network that a run of method smn made, masks put on: a recipe of the same network in which nothing is adapted, and its
/// tensors. `None` of a run that adapts nothing.
///
/// # Errors
/// If a tensor is missing.
pub fn plain(
    recipe: &Recipe,
    images: &ImageInfo,
    tensors: &HashMap<String, HostTensor>,
) -> Result<Option<(Recipe, HashMap<String, HostTensor>)>> {
    let net = recipe.network();
    let Some(adapt) = net.adapt else { return Ok(None) };
    let tensors = match adapt.what {
        Adapted::Masks => apply(&net, images, tensors, &from_run(recipe, images, tensors)?, &Device::Cpu)?,
        Adapted::Weights | Adapted::Statistics => tensors.clone(),
    };
    let judged_alike = match method(recipe.method).judge(recipe) {
        Judge::Neighbours => MethodName::Swav,
        Judge::Logits => MethodName::Supervised,
    };
    Ok(Some((Recipe { method: judged_alike, ..recipe.clone() }, tensors)))
}
