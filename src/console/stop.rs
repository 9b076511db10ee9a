//! What would end the program from outside. Ctrl-C: the first one asks the run to end after its step, the second one ends the program.

use super::listener;
use crate::error::{Error, Result};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

/// Exit code of a program ended by Ctrl-C, as shells have it.
pub const INTERRUPTED: u8 = 130;

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

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

/// Has writes fail past the limit on the size of files (`ulimit -f`), as they do on a full disk, with an error that names the
/// file. Without this the system ends the program on the spot, and what was begun is left lying there.
pub fn survive_file_limits() {
    #[cfg(unix)]
    // SAFETY: nothing but how the system answers a write is changed.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Leaves Ctrl-C to another program, which tells this one when it ends.
pub fn leave_to_another() {
    // Where no handler can be installed, this one ends first and takes the others along.
    let _ = ctrlc::set_handler(|| {});
}

/// Installs the handler, the first time that it is asked; the flag that it sets. Where somebody [listens](super::listener) to this
/// thread, no handler is touched, and the flag is the listener's.
pub fn on_ctrl_c() -> Result<Arc<AtomicBool>> {
    if let Some(listener) = listener::here() {
        return Ok(listener.stop);
    }
    static INSTALLED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let stop = || {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED.into());
            }
            eprintln!("\nstopping after this step; Ctrl-C again quits at once");
        };
        ctrlc::set_handler(stop).map_err(|e| e.to_string())
    });
    match installed {
        Ok(()) => Ok(STOP.clone()),
        Err(e) => Err(Error::Device(format!("the handler for Ctrl-C could not be installed: {e}"))),
    }
}
