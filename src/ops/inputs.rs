//! What the shape rules of ops ask of their inputs. Kernels run without bounds checks in what a shape rule let through, so
//! each asks for the number of inputs, and for the shape and type of every one.

use crate::error::{Error, Result};
use crate::graph::Meta;

/// All inputs, of which there must be `N`.
///
/// # Errors
/// In the name of `op`, if there are more or fewer.
pub(crate) fn exactly<'a, const N: usize>(op: &'static str, inputs: &'a [Meta]) -> Result<&'a [Meta; N]> {
    inputs.try_into().map_err(|_| other_count(op, N, inputs.len()))
}

/// That an op which takes `wanted` inputs was given another number of them.
pub(crate) fn other_count(op: &'static str, wanted: usize, given: usize) -> Error {
    let inputs = if wanted == 1 { "input" } else { "inputs" };
    Error::shape(op, format!("takes {wanted} {inputs}, {given} were given"))
}

/// Refuses inputs that are not just these.
///
/// # Errors
/// In the name of `op`, with both lists.
pub(crate) fn same(op: &'static str, inputs: &[Meta], wanted: &[Meta]) -> Result<()> {
    if inputs.len() != wanted.len() {
        return Err(other_count(op, wanted.len(), inputs.len()));
    }
    if inputs != wanted {
        let list = |metas: &[Meta]| metas.iter().map(Meta::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::shape(op, format!("takes {}, got {}", list(wanted), list(inputs))));
    }
    Ok(())
}

/// Refuses numbers of an op that are not finite: shaders cannot be told them, and no device is to run what another does not.
///
/// # Errors
/// In the name of `op`, with the first of them.
pub(crate) fn finite(op: &'static str, constants: impl IntoIterator<Item = f64>) -> Result<()> {
    match constants.into_iter().find(|v| !v.is_finite()) {
        Some(v) => Err(Error::Config(format!("{op}: numbers of a graph must be finite, got {v}"))),
        None => Ok(()),
    }
}
