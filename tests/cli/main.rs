//! The program as its users run it.

#[path = "../common/golden.rs"]
mod golden;
#[path = "../common/python.rs"]
mod python;

mod adapters;
mod augment;
mod bad_input;
mod bench;
mod classes;
mod commands;
mod compare;
mod export;
#[cfg(target_os = "linux")]
mod full;
mod guide;
mod images;
mod lengthen;
mod logs;
mod mbn;
mod methods;
mod networks;
mod own_images;
mod pack;
mod parts;
mod predict;
mod profile;
mod program;
mod recipes;
mod report;
mod resume;
mod runs;
mod sweep;
mod tune;
mod unlabelled;
mod verify;
mod weights;
