//! Networks: graph fragments that own parameters, built from one description.

mod adapt;
mod binarization;
mod binary;
mod builder;
pub mod count;
mod estimators;
mod fold;
mod kinds;
mod layer;
mod layers;
pub mod picture;
mod positions;
mod spec;
mod tokens;
mod weights;

pub use adapt::{Adapt, Adapted, Masked, masked_weight, scores_of};
pub use binarization::{Binarization, Coding, Magnitude, MatrixShape, Per, Scale, Split, WeightRule};
pub use builder::{BinaryLayer, Builder, LayerInfo, Mode, Network, Read, Scaled};
pub use count::Count;
pub use estimators::{ESTIMATORS, Estimators, SteKind};
pub use fold::Fold;
pub use kinds::Vit;
pub use layer::{Expr, Join, LAYERS, Layer, LayerKind, Layers, Names, Own, OwnLayer, Side};
pub use layers::Filters;
pub use positions::Resampling;
pub use spec::{Activation, InitKind, NetKind, NetSpec, Shortcut, Skip, Stem};
pub use weights::TAIL;
