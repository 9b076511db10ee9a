//! Where the time of a training step goes, by the device's own timers.

mod measure;
mod report;
mod table;
mod trace;

pub use measure::{Runs, measure};
pub use report::{Clock, Host, InTraining, Node, Profile};
pub use trace::trace;
