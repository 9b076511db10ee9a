//! What went wrong on a device, as its callbacks tell it.

use std::sync::Mutex;
use std::time::Duration;

/// What was told and nobody has heard yet; a lost device stays lost.
#[derive(Default)]
pub(super) struct Failures(Mutex<Told>);

#[derive(Default)]
struct Told {
    lost: Option<String>,
    hung: bool,
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
        self.end(format!("the device was lost ({said})"));
    }

    /// The device does not answer: it is not asked again, because every question would take as long.
    pub fn hang(&self, patience: Duration) {
        self.0.lock().expect("no panic holds this lock").hung = true;
        self.end(format!("the device has not answered for {} s: a kernel or its driver hangs", patience.as_secs()));
    }

    /// Whether it does not answer.
    pub fn hung(&self) -> bool {
        self.0.lock().expect("no panic holds this lock").hung
    }

    /// Whether the device was lost, or does not answer.
    pub fn ended(&self) -> bool {
        self.0.lock().expect("no panic holds this lock").lost.is_some()
    }

    fn end(&self, how: String) {
        let message = format!(
            "{how}, and what it held is gone. Begin again; where that does not help, restart the machine or its graphics \
             driver, take a smaller batch (--set batch=N), or another device (--device cpu)"
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
            assert!(message.contains("lost (unplugged)") && message.contains("--device"), "{message}");
        }
    }

    #[test]
    fn a_device_that_hangs_is_not_asked_again() {
        let failures = Failures::default();
        assert!(!failures.hung());
        failures.hang(Duration::from_secs(120));
        failures.lose("later");
        assert!(failures.hung());
        for _ in 0..2 {
            let message = failures.check().unwrap_err();
            assert!(message.contains("not answered for 120 s") && message.contains("--device"), "{message}");
        }
    }
}
