//! What is said while the program works: lines for people, JSON for programs, bars on a terminal; and Ctrl-C. A program that
//! uses the library may listen in place of a terminal.

pub mod listener;
pub mod plot;
pub mod progress;
pub mod runs;
pub mod stop;
pub mod text;
pub mod wait;
