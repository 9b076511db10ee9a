//! Work that takes long and can be stopped: it has a thread of its own, while the caller's one hears what is said of it and asks
//! for signals.

use super::error::{exception, guarded};
use super::fork;
use crate::console::listener::{Listener, listening};
use crate::error::{Error, Result};
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long Ctrl-C goes unseen at most.
const TICK: Duration = Duration::from_millis(50);
/// As much as a program's first thread has on Linux; others have a fourth, and drivers compile recursively.
const STACK: usize = 8 << 20;

/// Runs `work` on a thread of its own. `told` is called, on this thread, with every message that it says; what it raises, and
/// Ctrl-C (`KeyboardInterrupt`), ends the work where that can be ended, and is raised once it has. An answer of `False` ends it
/// likewise, and nothing is raised.
pub fn attended<T: Send>(
    py: Python<'_>,
    told: &Bound<'_, PyAny>,
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send,
) -> PyResult<T> {
    fork::check().map_err(exception)?;
    let (said, mut heard) = channel();
    let stop = Arc::<AtomicBool>::default();
    let mut raised: Option<PyErr> = None;
    let done = std::thread::scope(|scope| -> PyResult<T> {
        let (listener, seen) = (Listener { said, stop: stop.clone() }, stop.clone());
        let body = move || guarded(|| listening(listener, || work(&seen)));
        let builder = std::thread::Builder::new().name("onebit".into()).stack_size(STACK);
        let worker = builder
            .spawn_scoped(scope, body)
            .map_err(|e| exception(Error::Device(format!("no thread can be started: {e}"))))?;
        while let Some(message) = next(py, &mut heard) {
            if let Err(e) = hear(py, told, message, &stop, raised.is_some()) {
                stop.store(true, Ordering::Relaxed);
                raised.get_or_insert(e);
            }
        }
        py.detach(|| worker.join()).expect("what it does is guarded")
    });
    match (raised, done) {
        (None, done) => done,
        (Some(raised), Ok(_)) => Err(raised),
        (Some(raised), Err(failed)) => {
            raised.set_context(py, Some(failed));
            Err(raised)
        }
    }
}

/// What is said next, or nothing for a while; `None` at the end of the work.
fn next(py: Python<'_>, heard: &mut Receiver<String>) -> Option<Option<String>> {
    match py.detach(move || heard.recv_timeout(TICK)) {
        Ok(message) => Some(Some(message)),
        Err(RecvTimeoutError::Timeout) => Some(None),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

fn hear(
    py: Python<'_>,
    told: &Bound<'_, PyAny>,
    message: Option<String>,
    stop: &AtomicBool,
    deaf: bool,
) -> PyResult<()> {
    py.check_signals()?;
    if let Some(message) = message.filter(|_| !deaf)
        && told.call1((message,))?.is(pyo3::types::PyBool::new(py, false))
    {
        stop.store(true, Ordering::Relaxed);
    }
    Ok(())
}
