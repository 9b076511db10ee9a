//! The training methods: against PyTorch, and the checklists of their specifications.

#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/near.rs"]
mod near;

mod accumulate;
mod checklists;
mod pytorch;
