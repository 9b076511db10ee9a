//! Training: recipes, the loop, runs on disk, tests.
//!
//! A [`recipe::Recipe`] says everything that decides what is computed. A [`method::Method`] turns it into graphs,
//! [`limits::fitting_plan`] compiles them and sees that they fit the device, [`fit::fit`] runs them step by step and keeps
//! a [`run::RunDir`].

pub mod bootstrap;
pub mod cascade;
pub mod check;
pub mod checkpoint;
pub mod choose;
pub mod confusion;
pub mod diagnose;
pub mod evaluate;
pub mod fit;
pub mod inference;
pub mod layer_stats;
pub mod limits;
pub mod method;
pub mod metrics;
pub mod neighbours;
pub mod origin;
pub mod protocol;
pub mod recipe;
pub mod replay;
pub mod run;
pub mod scheduler;
pub mod settings;
pub mod steps;
pub mod targets;
pub mod teacher;
