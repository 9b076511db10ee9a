//! Sweeps: runs of recipes that differ by settings and seeds, in one folder. What is asked for (`grid`), what of it is there
//! already (`folder`), and the runs side by side, each a program of its own (`workers`).

mod folder;
mod grid;
mod workers;

pub use folder::{Folder, State, runs_of};
pub use grid::{Grid, Job, Setting, seeds};
pub use workers::{Event, Told, Workers, run};
