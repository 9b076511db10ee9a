//! What a run is validated and tested on.
//!
//! Whatever is chosen, the best checkpoint and the epoch to end at, is chosen on the validation part. The test part is looked at
//! once, at the end, and then by `onebit eval`: an accuracy on images that something was chosen by says too much. Without a
//! validation part nothing is chosen, and the last checkpoint is the one that is tested.

use crate::data::{Dataset, Split};
use crate::methods::EvaluatedBy;
use crate::recipe::Recipe;
use std::sync::Arc;

/// The parts of a set that have labels and a use.
#[derive(Clone, Debug)]
pub struct Parts {
    val: Option<Arc<Dataset>>,
    test: Option<Arc<Dataset>>,
}

impl Parts {
    /// Of a set, as a recipe uses it: with `data.hold_out` the test images are left alone. A set that has only a validation part
    /// beside the training part is validated on it, and not tested.
    pub fn of(data: &Split, recipe: &Recipe) -> Parts {
        // Neighbours among the training images are asked for their labels.
        let asked = recipe.method().evaluated_by(recipe) == EvaluatedBy::Neighbours;
        let answers = !asked || data.train.labels.is_some();
        let usable = |set: &Arc<Dataset>| (!set.is_empty() && set.labels.is_some() && answers).then(|| set.clone());
        let is_val = Arc::ptr_eq(&data.val, &data.test);
        let left_alone = is_val || recipe.data.hold_out > 0.0;
        Parts { val: usable(&data.val), test: usable(&data.test).filter(|_| !left_alone) }
    }

    /// What checkpoints are chosen by.
    pub fn val(&self) -> Option<&Arc<Dataset>> {
        self.val.as_ref()
    }

    /// What the chosen checkpoint is tested on.
    pub fn test(&self) -> Option<&Arc<Dataset>> {
        self.test.as_ref()
    }
}
