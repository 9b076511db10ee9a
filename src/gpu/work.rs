//! Handing work to a device and waiting for it, from a driver that may fail: it can lose the device, or not answer.

use super::device::GpuDevice;
use super::fault::{Call, How};
use crate::error::{Error, Result};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::Duration;

/// What a wait asks the driver for at once. A program that was stopped meanwhile has waited that long, however long that was.
const SLICE: Duration = Duration::from_secs(1);
/// A device that has not done its work for so long hangs: no submission is meant to take more than half a second. A CPU that
/// plays a GPU may need minutes for one kernel, and does not hang.
const PATIENCE: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(3600)];

/// What a driver says where wgpu panics.
const GAVE_UP: &str = "the driver gave it up";

impl GpuDevice {
    /// Hands over what was recorded. Returns before the device is done.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> Result<wgpu::SubmissionIndex> {
        match self.0.faults.next(Call::Submit) {
            Some(How::OutOfMemory) => self.lose_for_memory(),
            Some(How::Lost) => self.0.device.destroy(),
            Some(How::Hung) | None => {}
        }
        let index = self.0.queue.submit([encoder.finish()]);
        self.check()?;
        Ok(index)
    }

    /// What wgpu does with a device that has no memory for what it has to do: only buffers are refused alone.
    pub(super) fn lose_for_memory(&self) {
        self.0.device.destroy();
        self.0.failures.lose("Not enough memory left.");
    }

    /// Waits until all submitted work is done, and reports what went wrong meanwhile.
    ///
    /// # Errors
    /// If the device was lost, does not answer, or refuses what was asked of it until now.
    pub fn wait(&self) -> Result<()> {
        self.wait_for(None)
    }

    /// Lets the driver tell what it has to tell, without waiting.
    pub(super) fn look_after(&self) {
        if !self.0.failures.ended() && quietly(|| self.0.device.poll(wgpu::PollType::Poll)).is_none() {
            self.0.failures.lose(GAVE_UP);
        }
    }

    /// Waits, and asks only whether the device is still there.
    ///
    /// # Errors
    /// If it was lost, or does not answer. Other errors until now are taken as heard.
    pub fn check_alive(&self) -> Result<()> {
        let waited = self.wait();
        if self.0.failures.ended() { waited.and(self.check()) } else { Ok(()) }
    }

    /// As [`GpuDevice::wait`], until this submission is done, or the last one.
    pub(super) fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.check()?;
        let fault = self.0.faults.next(Call::Wait);
        if matches!(fault, Some(How::Lost | How::OutOfMemory)) {
            self.0.device.destroy();
        }
        let mut patience = PATIENCE[self.0.target.software as usize];
        loop {
            let poll = || match fault {
                _ if self.0.faults.hung() => Err(wgpu::PollError::Timeout),
                Some(How::Lost | How::OutOfMemory) => panic!("Error in Device::poll: a test wants it"),
                _ => {
                    let submission_index = submission_index.clone();
                    self.0.device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(SLICE) })
                }
            };
            let done = quietly(poll);
            // What was reported meanwhile says more than that waiting failed.
            self.check()?;
            let e = match done {
                Some(Ok(_)) => return Ok(()),
                Some(Err(wgpu::PollError::Timeout)) if !self.0.faults.hung() && patience > SLICE => {
                    patience -= SLICE;
                    continue;
                }
                Some(Err(wgpu::PollError::Timeout)) => {
                    self.0.failures.hang(PATIENCE[self.0.target.software as usize]);
                    return self.check();
                }
                // wgpu panics where a driver says that the device is lost, and has no other word for it.
                None => {
                    self.0.failures.lose(GAVE_UP);
                    return self.check();
                }
                Some(Err(e)) => e,
            };
            // Work that was never taken is waited for where the device was lost before.
            self.look_after();
            self.check()?;
            return Err(Error::Device(format!("{}: waiting for the device failed: {e}", self.0.info.name)));
        }
    }
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f`; `None` if it panics, which is not printed.
fn quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                before(panic);
            }
        }));
    });
    EXPECTED.set(true);
    // A device that panics is not used again.
    let made = catch_unwind(AssertUnwindSafe(f));
    EXPECTED.set(false);
    made.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_driver_is_an_answer() {
        assert_eq!(quietly(|| 3), Some(3));
        assert_eq!(quietly(|| -> u32 { panic!("gone") }), None);
        assert!(!EXPECTED.get());
    }
}
