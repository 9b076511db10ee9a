//! What a run that its device failed leaves, and how it goes on; and what is told of a device before it may fail.

use super::checkpoint::Checkpoint;
use super::run::RunDir;
use crate::error::Error;

/// Seconds without a break after which a desktop on the same GPU stands still for everybody to see. Windows ends what takes
/// two seconds, other systems what takes about ten.
const TOO_LONG: f64 = 0.5;

/// The error of a run whose device failed, with the command to go on; other errors as they are. Its checkpoints must be
/// whole.
pub(super) fn with_way_on(e: Error, run: &RunDir) -> Error {
    let path = run.path().display();
    let command = format!("onebit train --resume --out {path}");
    let after = || match Checkpoint::load(&run.last()) {
        Ok(c) => format!("The run is saved as it was after {} steps; to go on:  {command}", c.position.steps),
        Err(_) => format!("Nothing of the run was saved yet; to begin it again:  {command}"),
    };
    match e {
        Error::Device(message) => Error::Device(format!("{message}. {}", after())),
        Error::Limit(message) => Error::Limit(format!("{message}. {}", after())),
        other => other,
    }
}

/// What to say of the part of a step that takes longest without a break, if that is too long.
pub(super) fn too_long(what: &str, seconds: f64, batch: usize) -> Option<String> {
    let fits = ((batch as f64 * TOO_LONG / seconds) as usize).max(1);
    (seconds > TOO_LONG).then(|| {
        let advice = match batch {
            1 => "smaller images (--set data.size=[H,W]) shorten it".to_string(),
            _ => format!("a smaller batch shortens it (--set batch={fits})"),
        };
        format!(
            "{what} takes {seconds:.1} s on this GPU without a break: the desktop stands still meanwhile, and there are systems \
             that end what takes 2 s; {advice}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_kernel_is_told_with_the_batch_that_is_short_enough() {
        assert_eq!(too_long("conv2d", 0.5, 64), None);
        let told = too_long("conv2d of layer1", 2.0, 64).unwrap();
        assert!(told.contains("conv2d of layer1 takes 2.0 s") && told.contains("--set batch=16"), "{told}");
        assert!(too_long("conv2d", 2.0, 1).unwrap().contains("data.size"));
    }
}
