//! Training: the loop, runs on disk, tests.
//!
//! A [`Recipe`](crate::recipe::Recipe) says everything that decides what is computed. A [`Method`](crate::methods::Method)
//! turns it into graphs, [`limits::fitting_programs`] compiles them and sees that they fit the device, [`fit::fit`] runs them
//! step by step and keeps a [`run::RunDir`]. [`prepare`] goes through all of that for a command.

pub mod cascade;
pub mod checkpoint;
pub mod choose;
pub mod classes;
pub mod confusion;
pub mod diagnose;
pub mod evaluate;
pub mod fit;
pub mod inference;
pub mod job;
pub mod layer_stats;
pub mod limits;
pub mod lock;
pub mod logs;
pub mod metrics;
mod nearest;
pub mod neighbours;
pub mod node_check;
mod non_finite;
mod orders;
pub mod origin;
pub mod own_images;
pub mod parts;
pub mod plan;
pub mod prepare;
pub mod programs;
pub mod protocol;
pub mod ranks;
pub mod right;
pub mod run;
pub mod saved_node;
pub mod ships;
pub mod start;
pub mod steps;
pub mod teacher;
pub mod time;
pub mod updates;
mod way_on;
mod writer;
