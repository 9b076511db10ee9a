//! What training in several ranks would take, from what one rank measures here and a model of what carries the exchange.
//!
//! A rank sends to and hears from every other one in each exchange, over one link: `(R - 1) latency + bytes / bandwidth`. In a step
//! gradients go twice, as shares to be added up and as shares of the sum, `2 (R - 1) / R` of them in all; what else the updates
//! read goes to every rank, `R - 1` times; and rank 0 says what comes next. To that comes what a rank itself takes to add gradients
//! up and to copy them, measured between two threads. Then each rank follows the batch of every rank.

use super::steps::Steps;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exchange::Sum;
use crate::exchange::simulated::on_ranks;
use std::time::Instant;

/// What carries an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Bytes a second that a rank can send, and hear at the same time.
    pub bandwidth: f64,
    /// Seconds until a message arrives.
    pub latency: f64,
}

/// What a step takes in one rank.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Costs {
    /// Seconds from images to gradients in host memory.
    pub compute: f64,
    /// Seconds to follow a batch that does not end the step.
    pub follow: f64,
    /// Seconds for the updates of the batch that ends the step.
    pub finish: f64,
    /// Seconds in which a rank adds up gradients and copies them, without the wire.
    pub sums: f64,
    /// Gradients, 32 bits each.
    pub gradients: usize,
    /// Words of what else goes to all ranks.
    pub rest: usize,
    /// Exchanges a step: parts.
    pub parts: usize,
}

/// What a step would take in several ranks, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// From images to gradients.
    pub compute: f64,
    /// The exchange.
    pub exchange: f64,
    /// The updates.
    pub updates: f64,
}

impl Predicted {
    /// The whole step.
    pub fn step(&self) -> f64 {
        self.compute + self.exchange + self.updates
    }
}

impl Costs {
    /// Measures steps of programs for ranks ([`Programs::compile_for`](super::programs::Programs::compile_for)); the median of
    /// each time.
    ///
    /// # Errors
    /// If the device fails, an image cannot be read, or no step is asked for.
    pub fn measure(steps: &mut Steps, device: &Device, count: u64) -> Result<Costs> {
        if count == 0 {
            return Err(Error::Config("no steps are measured: give at least 1".into()));
        }
        let mut costs = Costs::default();
        for part in steps.runner.parts_of(false) {
            let mut times = [const { Vec::new() }; 3];
            // The first one warms up.
            for step in 0..=count {
                let batch = steps.batch(step % steps.per_pass() as u64)?;
                steps.upload(&batch)?;
                device.wait()?;
                let scalars = steps.scalars(part, step)?;
                let made = match steps.runner.shared(part) {
                    Some((compute, updates, store)) => updates.timed(compute, store, &scalars)?,
                    None => {
                        let began = Instant::now();
                        steps.runner.run(part, &scalars)?;
                        device.wait()?;
                        [began.elapsed().as_secs_f64(), 0.0, 0.0]
                    }
                };
                if step > 0 {
                    times.iter_mut().zip(made).for_each(|(all, one)| all.push(one));
                }
            }
            let [compute, follow, finish] = times.map(median);
            costs.compute += compute;
            costs.follow += follow;
            costs.finish += finish;
            if let Some((_, updates, _)) = steps.runner.shared(part) {
                let (gradients, rest) = updates.exchanged();
                costs.gradients += gradients;
                costs.rest += rest;
                costs.sums += summed(gradients)?;
                costs.parts += 1;
            }
        }
        Ok(costs)
    }

    /// A step in so many ranks.
    pub fn with(&self, ranks: usize, link: Link) -> Predicted {
        let (r, others, parts) = (ranks as f64, (ranks - 1) as f64, self.parts as f64);
        let bytes = 4.0 * (2.0 * self.gradients as f64 * others / r + self.rest as f64 * others);
        // Shares, what else there is, shares of the sum; and the order of rank 0.
        let messages = others * (3.0 * parts + 1.0);
        Predicted {
            compute: self.compute,
            exchange: messages * link.latency + bytes / link.bandwidth + if ranks > 1 { self.sums } else { 0.0 },
            updates: others * self.follow + self.finish,
        }
    }
}

/// Seconds that two ranks of this machine take to add up so many numbers each; the median of several times, as all but the first
/// step find memory that is theirs already.
fn summed(numbers: usize) -> Result<f64> {
    let own = vec![1.0; numbers];
    let times = on_ranks(2, |exchange| {
        let (mut sum, mut whole, mut times) = (Sum::default(), Vec::new(), Vec::new());
        for round in 0..4 {
            let began = Instant::now();
            sum.add(exchange, &own)?;
            sum.finish(exchange, &mut whole)?;
            if round > 0 {
                times.push(began.elapsed().as_secs_f64());
            }
        }
        Ok(median(times))
    });
    times.into_iter().try_fold(0.0, |most: f64, time: Result<f64>| Ok(most.max(time?)))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_by_hand() {
        let costs =
            Costs { compute: 1.0, follow: 0.01, finish: 0.1, sums: 0.5, gradients: 1_000_000, rest: 250, parts: 1 };
        let link = Link { bandwidth: 1e8, latency: 1e-4 };
        let one = costs.with(1, link);
        assert_eq!((one.compute, one.exchange, one.updates), (1.0, 0.0, 0.1));
        // 4 ranks: 6 MB of gradients and 3 kB of the rest, 12 messages.
        let four = costs.with(4, link);
        assert!((four.exchange - (0.06003 + 0.0012 + 0.5)).abs() < 1e-9, "{four:?}");
        assert!((four.step() - (1.0 + 0.56123 + 0.13)).abs() < 1e-9, "{four:?}");
    }

    #[test]
    fn the_middle_one_counts() {
        assert_eq!(median(vec![3.0, 1.0, 9.0]), 3.0);
    }
}
