//! Networks: graph fragments that own parameters, built from one description.

mod convnet;
mod layers;
mod resnet;
mod spec;
mod vgg;

pub use layers::{Built, Mode};
pub use spec::{Activation, Binarization, NetKind, NetSpec, Scale, Shortcut, Skip, SteKind, Stem};
