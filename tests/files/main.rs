//! Files: data sets and weights that were made elsewhere, and what ships.

#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/golden.rs"]
mod golden;

mod edge;
mod embedded;
mod foreign;
mod readers;
