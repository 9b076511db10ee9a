//! The engine: which room uses which, ops and their kernels, gradients node by node, what is chosen among kernels, optimisers,
//! the browser, and what is added from outside of the crate.

#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/near.rs"]
mod near;

mod arrows;
mod augment;
mod bench;
mod browser;
mod bundles;
mod compilers;
mod drivers;
mod gradients;
mod inputs;
mod layers;
mod mutants;
mod ops;
mod optim;
mod outside;
mod reference;
mod shaders;
mod tune;
