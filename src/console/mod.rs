//! What is said while the program works: lines for people, JSON for programs, bars on a terminal; and Ctrl-C.

pub mod plot;
pub mod progress;
pub mod runs;
pub mod stop;
pub mod text;
pub mod wait;
