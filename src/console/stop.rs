//! Ctrl-C: the first one asks the run to end after its step, the second one ends the program.

use crate::error::{Error, Result};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a program ended by Ctrl-C, as shells have it.
pub const INTERRUPTED: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// What nobody stops.
pub static NEVER: AtomicBool = AtomicBool::new(false);

/// Sets the flag of [`on_ctrl_c`] when standard input ends: whoever began this program and holds the other end is gone then, or
/// wants it to stop.
pub fn at_end_of_input() {
    std::thread::spawn(|| {
        // An input that cannot be read has ended too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        STOP.store(true, Ordering::Relaxed);
    });
}

/// Installs the handler; the flag that it sets.
pub fn on_ctrl_c() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("\nfinishing this step, then saving; Ctrl-C again quits at once");
    })
    .map_err(|e| Error::Device(format!("the handler for Ctrl-C could not be installed: {e}")))?;
    Ok(&STOP)
}
