//! Which of the variants that are right is the fastest.

use super::kept::Verdict;
use super::trial::{Standing, Trial};
use crate::device::Executable;
use crate::error::Result;
use crate::gpu::GpuDevice;
use std::time::Instant;

/// A variant is taken if it takes less than this share of the rule's time: less could be noise.
const CLEARLY: f64 = 0.97;
/// One that takes so many times as long as the rule's on a first look is not looked at again.
const HOPELESS: f64 = 1.5;
/// Seconds that a class is measured for, and in how many rounds at least and at most.
const SECONDS: f64 = 0.3;
const ROUNDS: (f64, f64) = (3.0, 15.0);
/// Seconds between two waits for a GPU: a wait is lost in them.
const BETWEEN_WAITS: f64 = 0.003;

struct Runner {
    name: String,
    same: bool,
    exe: Executable,
    /// Least seconds so far.
    best: f64,
}

/// Lets the variants run against each other.
pub(super) fn race(device: &GpuDevice, trials: Vec<Trial>, allow_reorder: bool) -> Verdict {
    let rule = trials.first().map(|t| t.name.clone()).unwrap_or_default();
    let mut runners: Vec<Runner> = trials
        .into_iter()
        .filter(|t| allow_reorder || t.standing == Standing::Same)
        .filter_map(|t| {
            let same = t.standing == Standing::Same;
            t.exe.map(|exe| Runner { name: t.name, same, exe, best: f64::INFINITY })
        })
        .collect();
    // Where the rule's variant is wrong, the first that is right stands for it, however fast others are: which one
    // must not depend on a clock, because they may differ in their last bits.
    if runners.first().is_none_or(|r| r.name != rule) {
        let taken = runners.into_iter().next().map_or(rule.clone(), |r| r.name);
        return Verdict { any: Some(taken.clone()), taken, rule, ms: None };
    }
    // Compiled and warm since they were checked: a first look.
    for _ in 0..2 {
        look(device, &mut runners, 1);
    }
    let limit = HOPELESS * runners[0].best;
    runners.retain(|r| r.best <= limit);
    let total: f64 = runners.iter().map(|r| r.best).sum();
    let rounds = (SECONDS / total.max(1e-9)).clamp(ROUNDS.0, ROUNDS.1) as usize;
    let times = match device.target().software {
        true => 1,
        false => (BETWEEN_WAITS / runners[0].best.max(1e-6)).ceil().clamp(1.0, 100.0) as usize,
    };
    if times > 1 {
        // Many runs to a wait are another measure than one.
        runners.iter_mut().for_each(|r| r.best = f64::INFINITY);
    }
    // In turns, so that what else the machine does meets all of them.
    for _ in 0..rounds {
        look(device, &mut runners, times);
    }
    let fastest = |same: bool| {
        let first = &runners[0];
        let allowed = runners.iter().filter(|r| r.same || !same);
        let best = allowed.min_by(|a, b| a.best.total_cmp(&b.best)).unwrap_or(first);
        if best.best < CLEARLY * first.best { best } else { first }
    };
    let (same, any) = (fastest(true), fastest(false));
    let used = if allow_reorder { any } else { same };
    Verdict {
        taken: same.name.clone(),
        any: allow_reorder.then(|| any.name.clone()),
        ms: Some([1e3 * runners[0].best, 1e3 * used.best]),
        rule,
    }
}

/// Times every runner once; one that fails now will not win.
fn look(device: &GpuDevice, runners: &mut [Runner], times: usize) {
    for r in runners {
        let start = Instant::now();
        let mut run = || -> Result<()> {
            for _ in 0..times {
                r.exe.run(&[])?;
            }
            device.wait()
        };
        if run().is_ok() {
            r.best = r.best.min(start.elapsed().as_secs_f64() / times as f64);
        }
    }
}
