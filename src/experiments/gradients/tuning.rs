//! Kernels chosen by measurement before training.

use crate::cache::note;
use crate::console::text::say;
use crate::error::Result;
use crate::gpu::GpuDevice;
use crate::train::programs::Programs;
use crate::tune::{TuneOptions, Tuned, tune};
use serde_json::json;
use std::time::Duration;

/// How long training may be kept waiting, and a class that was begun. A software adapter compiles for seconds: there the
/// kernels are found over several runs, those with the most work first.
fn patience(device: &GpuDevice) -> Duration {
    Duration::from_secs(if device.target().software { 5 } else { 20 })
}

/// The kernels that are best for programs, measuring what is not known of the device yet.
pub fn before_training(device: &GpuDevice, programs: &Programs, allow_reorder: bool) -> Result<Tuned> {
    let limit = Some(patience(device));
    let options = TuneOptions { limit, allow_reorder, ..TuneOptions::default() };
    tune(device, programs.programs(), &options, &mut |dropped| note(dropped))
}

/// What [`before_training`] did, if it measured anything.
pub fn say_tuned(tuned: &Tuned, allow_reorder: bool, as_json: bool) -> Result<()> {
    let (classes, other) = (tuned.measured.len(), taken_another(tuned, allow_reorder));
    let (left, seconds) = (tuned.left, tuned.seconds);
    if classes + left == 0 {
        return Ok(());
    }
    if as_json {
        return say(json!({ "event": "tune", "classes": classes, "changed": other, "left": left, "seconds": seconds }));
    }
    let later = if left > 0 { format!("; {left} more the next time") } else { String::new() };
    say(format!(
        "tuning  {classes} kinds of kernels measured in {seconds:.1} s, another one is faster for {other}{later}"
    ))
}

/// Classes for which another variant than the rule's was found.
pub fn taken_another(tuned: &Tuned, allow_reorder: bool) -> usize {
    tuned.measured.iter().filter(|(_, v)| v.choice(allow_reorder) != v.rule).count()
}
