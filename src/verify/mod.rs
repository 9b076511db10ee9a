//! Correctness as part of the product: every op against its f64 reference, on any device.

pub mod case;
pub mod cases;
mod checks;
mod compare;
mod expect;
mod gradient;
mod node_gradients;
mod reference;
mod reference_cache;
mod report;
mod run;
mod table;

pub use case::{Case, CaseSpec};
pub use compare::{Finding, StepRun, compare, compare_program, compare_steps};
pub use expect::{Expectation, Worst, expect};
pub use gradient::check_gradient;
pub use node_gradients::{Checked, GradientReport, InputGradient, LayerGradients, NodeGradient, check_node_gradients};
pub use reference::run_reference;
pub use reference_cache::ReferenceCache;
pub use report::{DeviceReport, OpReport, Record, Report, Unsupported};
pub use run::Request;
