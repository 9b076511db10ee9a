//! Writes checkpoints in a thread of its own, so that training goes on meanwhile.

use super::checkpoint::Checkpoint;
use crate::error::Result;
use std::path::PathBuf;
use std::thread::{Builder, JoinHandle};

/// Writes one checkpoint at a time, in the order in which they are given. What goes wrong is told at the next call.
#[derive(Default)]
pub(super) struct Writer(Option<JoinHandle<Result<()>>>);

impl Writer {
    /// Begins to write a checkpoint, once the one before is written.
    pub fn write(&mut self, checkpoint: Checkpoint, path: PathBuf) -> Result<()> {
        self.wait()?;
        let thread = Builder::new().name("checkpoint".into()).spawn(move || checkpoint.save(&path));
        self.0 = Some(thread.expect("the system can start a thread"));
        Ok(())
    }

    /// Waits until all is written.
    pub fn wait(&mut self) -> Result<()> {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Writer {
    /// A run that ends by another error still leaves whole files.
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
