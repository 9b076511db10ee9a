//! Training in several ranks, which are threads here.

#[path = "../common/devices.rs"]
mod devices;
#[allow(dead_code)]
#[path = "../methods/checklists/method.rs"]
mod method;

mod exact;
mod run;
