//! Processes that were forked: threads do not come along, and whoever waits for one waits for ever.

use crate::error::{Error, Result};
use std::sync::OnceLock;

/// The process in which threads were started.
static HOME: OnceLock<u32> = OnceLock::new();

/// To be asked before threads are started or needed.
///
/// # Errors
/// If this is a fork of a process that had started some.
pub fn check() -> Result<()> {
    same_as(*HOME.get_or_init(std::process::id))
}

/// That this is the process in which something was made that has threads.
///
/// # Errors
/// If it is not.
pub fn same_as(home: u32) -> Result<()> {
    match std::process::id() == home {
        true => Ok(()),
        false => Err(Error::Config(
            "this process was forked from one in which onebit had started threads, and has none of them: let multiprocessing start \
             processes by spawn (multiprocessing.get_context(\"spawn\"))"
                .into(),
        )),
    }
}
