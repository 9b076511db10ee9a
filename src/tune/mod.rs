//! Kernels chosen by measuring them on the device at hand, once, and remembering.
//!
//! An op may come in several variants (`Op::variants`), the first of which goes by a rule that knows the kind of device
//! only. What is measured are classes: an op with its extents. In each, every variant must show that it is right: on
//! small integers, whose sums are exact in any order, it must equal the CPU device bit for bit. Then it must equal the
//! rule's variant bit for bit on random numbers; one that does not adds in another order, and competes only where the
//! user allows that. So a choice changes no result, whether it was measured, remembered, or not made at all.
//!
//! Of those that may compete the fastest is taken, if it is clearly faster than the rule's in a second race of the two. The choices are kept by
//! device, driver, version and shaders.

mod class;
mod kept;
mod race;
mod trial;

pub use class::{Class, classes};
pub use kept::Verdict;
pub use trial::{Standing, Trial, try_variants};

use crate::error::Result;
use crate::gpu::GpuDevice;
use crate::program::Program;
use crate::shader::sources::Sources;
use kept::Kept;
use std::time::{Duration, Instant};

/// How classes are measured.
#[derive(Clone, Debug, Default)]
pub struct TuneOptions {
    /// Begin no class after so long, and leave the other classes for the next time.
    pub limit: Option<Duration>,
    /// Let variants compete that add in another order than the rule's: results then depend on what was measured.
    pub allow_reorder: bool,
    /// Measure what is known already once more.
    pub again: bool,
    /// The shader files.
    pub sources: Sources,
}

/// What came out.
pub struct Tuned {
    /// The device, whose programs take the chosen kernels from now on.
    pub device: GpuDevice,
    /// Classes that were measured, in that order.
    pub measured: Vec<(String, Verdict)>,
    /// Classes that were known.
    pub known: usize,
    /// Classes that were left, because time ran out.
    pub left: usize,
    /// How long it took.
    pub seconds: f64,
}

/// The device with the choices that are remembered of it; with none if there are none.
pub fn remembered(device: &GpuDevice, allow_reorder: bool) -> GpuDevice {
    device.with_choices(Kept::read(device, &Sources::default()).choices(allow_reorder))
}

/// Chooses among the variants of all ops of some programs. `log` is told which variants were dropped, and why.
///
/// # Errors
/// If the CPU device fails, or the device is lost; what else fails of the variants is what is looked for.
pub fn tune<'a>(
    device: &GpuDevice,
    programs: impl IntoIterator<Item = &'a Program>,
    options: &TuneOptions,
    log: &mut dyn FnMut(String),
) -> Result<Tuned> {
    let (start, mut saved) = (Instant::now(), Instant::now());
    let mut kept = Kept::read(device, &options.sources);
    let all = classes(programs, &device.target());
    let (known, new): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|c| !options.again && kept.has(&c.key, options.allow_reorder));
    let deadline = options.limit.map(|l| start + l);
    let (mut measured, mut left) = (Vec::new(), 0);
    for class in new {
        // A class that was begun is finished: else a slow one would be begun every time, and never known.
        if deadline.is_some_and(|d| Instant::now() >= d) {
            left += 1;
            continue;
        }
        let trials = try_variants(device, &class, &options.sources)?;
        for (name, why) in trials.iter().filter_map(Trial::dropped) {
            log(format!("{name} is left out of {}: {why}", class.key));
        }
        let verdict = race::race(device, trials, options.allow_reorder);
        // Of a device that failed meanwhile nothing was learned, and nothing is kept.
        device.check_alive()?;
        kept.insert(&class.key, verdict.clone());
        measured.push((class.key, verdict));
        if saved.elapsed() >= SAVE_EVERY {
            kept.write(device);
            saved = Instant::now();
        }
    }
    if !measured.is_empty() {
        kept.write(device);
    }
    let device = device.with_choices(kept.choices(options.allow_reorder));
    Ok(Tuned { device, measured, known: known.len(), left, seconds: start.elapsed().as_secs_f64() })
}

/// Time between two writes to the cache.
const SAVE_EVERY: Duration = Duration::from_secs(10);
