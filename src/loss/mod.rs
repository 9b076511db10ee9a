//! Losses, each a mean over the rows of the batch, and counts of correct answers.

mod attention;
mod correct_top_k;
mod cross_entropy;
mod distillation;
mod mse;
mod swav;

pub use correct_top_k::CorrectTopK;
pub use cross_entropy::{CrossEntropy, SmoothedTarget};
