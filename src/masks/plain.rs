//! A network that was adapted, as one that is not.

use super::apply::apply;
use super::made::from_run;
use crate::device::Device;
use crate::error::Result;
use crate::methods::ImageInfo;
use crate::nn::Adapted;
use crate::recipe::Recipe;
use crate::tensor::HostTensor;
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
    let by = recipe.method().evaluated_by(recipe);
    Ok(Some((recipe.of_network(recipe.net.clone(), by), tensors)))
}
