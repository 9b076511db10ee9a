//! What went wrong on a device, as its callbacks tell it.

use std::sync::Mutex;

/// What was told and nobody has heard yet; a lost device stays lost.
#[derive(Default)]
pub(super) struct Failures(Mutex<Told>);

#[derive(Default)]
struct Told {
    lost: Option<String>,
    error: Option<String>,
}

impl Failures {
    /// A call failed.
    pub fn report(&self, message: String) {
        self.0.lock().expect("no panic holds this lock").error.get_or_insert(message);
    }

    /// The device is gone, with everything on it: nothing that is asked of it from now on is done.
    pub fn lose(&self, message: &str) {
        let said = if message.is_empty() { "the driver does not say why" } else { message };
        let message = format!(
            "the device was lost ({said}), and what it held is gone; a run goes on from its last checkpoint with \
             onebit train --resume --out RUN"
        );
        self.0.lock().expect("no panic holds this lock").lost.get_or_insert(message);
    }

    /// The first failure since the last call; for ever that the device was lost, once it is.
    pub fn check(&self) -> Result<(), String> {
        let mut told = self.0.lock().expect("no panic holds this lock");
        match told.lost.clone().or_else(|| told.error.take()) {
            Some(message) => Err(message),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_device_stays_lost_and_an_error_is_told_once() {
        let failures = Failures::default();
        failures.report("first".into());
        failures.report("second".into());
        assert_eq!(failures.check(), Err("first".into()));
        assert_eq!(failures.check(), Ok(()));
        failures.report("third".into());
        failures.lose("unplugged");
        for _ in 0..3 {
            let message = failures.check().unwrap_err();
            assert!(message.contains("lost (unplugged)") && message.contains("--resume"), "{message}");
        }
    }
}
