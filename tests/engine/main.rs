//! The engine: which room uses which, ops and their kernels, what is chosen among kernels, optimisers, the browser.

#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/near.rs"]
mod near;

mod arrows;
mod augment;
mod bench;
mod browser;
mod mutants;
mod ops;
mod optim;
mod reference;
mod shaders;
mod tune;
