//! Multilayer bootstrap networks (X.-L. Zhang, "Multilayer bootstrap networks", Neural Networks 103, 2018, arXiv 1408.0848):
//! a model of images without labels and without gradients.
//!
//! ```text
//! layer l: V clusterings, each of k_l points drawn at random as its centres, seen along a random share of the variables
//!          every point becomes the number of its nearest centre in each of them: a code of V numbers
//! k_1 > k_2 > ... > k_L > number of classes
//! output:  principal components of the last code (as one-hot vectors), and clusters of these
//! ```
//!
//! Layer 1 compares coordinates by Euclidean distance; the layers above count in how many of the sampled clusterings two
//! codes agree. Nothing is learned but which centre is nearest, so fitting and prediction are the same computation.
//!
//! `recipe` and `spec` what is asked for, `layer_sizes` the numbers of centres, `choice` what is drawn, `codes` what points become,
//! `assigner` a layer's kernel on a device, `model` layers one after the other, `output` what is made of the last code,
//! `file` the model on disk.

mod assigner;
mod choice;
mod codes;
mod file;
mod layer_sizes;
mod model;
mod output;
mod recipe;
mod spec;

pub use assigner::{Assigner, Kind, LayerProgram};
pub use choice::{Choice, choice, some_of};
pub use codes::Codes;
pub use layer_sizes::layer_sizes;
pub use model::{FitProgress, Model, Watch, Work};
pub use output::Output;
pub use recipe::{FitTo, METHOD, MbnRecipe};
pub use spec::{Application, MbnSpec, Sampling, Similarity};
