//! How many centres the clusterings of each layer have.

use crate::error::{Error, Result};

/// `first`, then each time the share `decay` of the one before, rounded down, as long as it is over `last`; then `last`.
///
/// ```
/// let k = onebit::mbn::layer_sizes(898, 0.5, 15).unwrap();
/// assert_eq!(k, [898, 449, 224, 112, 56, 28, 15]);
/// ```
///
/// # Errors
/// If `decay` is not between 0 and 1, `last` is 0, or `first` is below `last`.
pub fn layer_sizes(first: usize, decay: f64, last: usize) -> Result<Vec<usize>> {
    if !(decay > 0.0 && decay < 1.0) {
        return Err(Error::Config(format!("mbn.decay = {decay}: give a share between 0 and 1")));
    }
    if last == 0 || first < last {
        return Err(Error::Config(format!(
            "the first layer of {first} centres and the last of {last}: give mbn.first >= mbn.last >= 1"
        )));
    }
    let mut layers = Vec::new();
    let mut k = first;
    while k > last {
        layers.push(k);
        k = (k as f64 * decay) as usize;
    }
    layers.push(last);
    Ok(layers)
}
