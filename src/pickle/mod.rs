//! A restricted reader of Python's pickles (protocols 2 to 5), for whoever reads tensors or arrays of Python.
//!
//! A pickle is a program for a machine with a stack and a memo ([`machine`]). Nothing of it is run here: what it would
//! call becomes a node of a tree ([`tree`]) that says what was to be called and with which arguments, and that only for
//! the names on a list; every other name is refused. What the nodes mean is for the reader to say.

mod machine;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use machine::{Rules, run, run_first};
pub(crate) use tree::{Pickled, Value};

/// What is wrong, as a sentence; the reader adds the file.
type Checked<T> = std::result::Result<T, String>;
