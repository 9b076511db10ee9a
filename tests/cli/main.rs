//! The program as its users run it.

mod bad_input;
mod bench;
mod commands;
mod program;
mod resume;
mod tune;
