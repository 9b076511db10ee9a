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
/// Rounds of the runoff; odd, so that one is in the middle.
const RUNOFF: usize = 11;
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
    // The least of many times is partly luck, so that who won must win again.
    let mut won = |same: bool| {
        let allowed = (1..runners.len()).filter(|&i| runners[i].same || !same);
        let best = allowed.min_by(|&a, &b| runners[a].best.total_cmp(&runners[b].best))?;
        if runners[best].best >= CLEARLY * runners[0].best {
            return None;
        }
        let ms = runoff(device, &mut runners, best, times)?;
        Some((runners[best].name.clone(), ms))
    };
    let same = won(true);
    let any = if allow_reorder { won(false) } else { None };
    let used = any.as_ref().or(same.as_ref());
    let by_rule = 1e3 * runners[0].best;
    let taken = same.as_ref().map_or(&rule, |(name, _)| name).clone();
    Verdict {
        // Where none of another order is better, the best of the same order is the best of all.
        any: allow_reorder.then(|| any.as_ref().map_or(&taken, |(name, _)| name).clone()),
        ms: Some(used.map_or([by_rule, by_rule], |(_, ms)| *ms)),
        taken,
        rule,
    }
}

/// The rule's variant against another one, each round one after the other: their least milliseconds if the other one is
/// clearly faster in most rounds too, by new times only.
fn runoff(device: &GpuDevice, runners: &mut [Runner], other: usize, times: usize) -> Option<[f64; 2]> {
    let (mut ratios, mut least) = ([0.0; RUNOFF], [f64::INFINITY; 2]);
    for (round, ratio) in ratios.iter_mut().enumerate() {
        let mut seconds = [0.0; 2];
        // The first of two may find caches or clocks in another state: they take turns.
        for i in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            seconds[i] = runners[[0, other][i]].once(device, times)?;
            least[i] = least[i].min(seconds[i]);
        }
        *ratio = seconds[1] / seconds[0];
    }
    ratios.sort_by(f64::total_cmp);
    let clearly = ratios[RUNOFF / 2] < CLEARLY && least[1] < CLEARLY * least[0];
    clearly.then(|| least.map(|s| 1e3 * s))
}

impl Runner {
    /// Seconds of a run; `None` if it fails.
    fn once(&mut self, device: &GpuDevice, times: usize) -> Option<f64> {
        let start = Instant::now();
        let mut run = || -> Result<()> {
            for _ in 0..times {
                self.exe.run(&[])?;
            }
            device.wait()
        };
        run().ok().map(|()| start.elapsed().as_secs_f64() / times as f64)
    }
}

/// Times every runner once; one that fails now will not win.
fn look(device: &GpuDevice, runners: &mut [Runner], times: usize) {
    for r in runners {
        if let Some(seconds) = r.once(device, times) {
            r.best = r.best.min(seconds);
        }
    }
}
