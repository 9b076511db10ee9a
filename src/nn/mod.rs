//! Networks: graph fragments that own parameters, built from one description.

mod adapt;
mod binarization;
mod binary;
mod builder;
mod convnet;
pub mod count;
mod estimators;
mod fold;
mod layers;
mod mlp;
mod reactnet;
mod resnet;
mod spec;
mod vgg;
mod weights;

pub use adapt::{Adapt, Adapted, Masked, masked_weight, scores_of};
pub use binarization::{Binarization, Coding, Magnitude, MatrixShape, Per, Scale, Split, WeightRule};
pub use builder::{BinaryLayer, Builder, Mode, Network, Scaled};
pub use count::Count;
pub use estimators::{ESTIMATORS, Estimators, SteKind};
pub use fold::Fold;
pub use spec::{Activation, InitKind, NetKind, NetSpec, Shortcut, Skip, Stem};
