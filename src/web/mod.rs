//! The browser as a second opinion. A browser's WebGPU shares no code with wgpu and naga, so a shader that both
//! accept, with the same numbers, is right by WebGPU's rules and not by one implementation's.
//!
//! [`OpsExport`] and [`StepExport`] write a folder that a small page replays: every step of a program with what it
//! reads, what it must make of that by the f64 reference, and the bound of every element. No GPU is needed to write
//! it. The page works from a double click; [`run_in_browser`] opens it in Chromium and brings the report home.

mod browser;
mod check;
mod folder;
mod ops;
mod pack;
mod serve;
mod step;
mod variant;

pub use browser::find_chromium;
pub use folder::Summary;
pub use ops::OpsExport;
pub use serve::{Progress, ask_in_browser, run_in_browser};
pub use step::StepExport;
