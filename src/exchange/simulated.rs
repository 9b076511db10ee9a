//! Ranks that are threads of one process: for tests, of many ranks too, and to see what an exchange takes without a wire.

use super::{Exchange, check_parts};
use crate::error::{Error, Result};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A rank that is a thread.
pub struct Simulated {
    rank: usize,
    to: Vec<Sender<Vec<u32>>>,
    from: Mutex<Vec<Receiver<Vec<u32>>>>,
}

/// So many ranks, each for a thread of its own.
pub fn team(ranks: usize) -> Vec<Simulated> {
    let mut from: Vec<Vec<Receiver<Vec<u32>>>> = (0..ranks).map(|_| Vec::new()).collect();
    let mut to: Vec<Vec<Sender<Vec<u32>>>> = (0..ranks).map(|_| Vec::new()).collect();
    for to in &mut to {
        for from in &mut from {
            let (sender, receiver) = channel();
            to.push(sender);
            from.push(receiver);
        }
    }
    let each = to.into_iter().zip(from).enumerate();
    each.map(|(rank, (to, from))| Simulated { rank, to, from: Mutex::new(from) }).collect()
}

/// Runs the same on so many ranks at once; what each of them made, by rank.
///
/// # Panics
/// If one of them panics.
pub fn on_ranks<T: Send>(ranks: usize, run: impl Fn(&dyn Exchange) -> T + Sync) -> Vec<T> {
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = team(ranks).into_iter().map(|rank| scope.spawn(move || run(&rank))).collect();
        threads.into_iter().map(|t| t.join().expect("a rank panicked")).collect()
    })
}

impl Exchange for Simulated {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.to.len()
    }

    fn swap(&self, parts: &[&[u32]]) -> Result<Vec<Vec<u32>>> {
        check_parts(parts, self.to.len())?;
        let gone = |rank: usize| Error::Device(format!("rank {rank} is gone"));
        for (rank, (to, part)) in self.to.iter().zip(parts).enumerate() {
            to.send(part.to_vec()).map_err(|_| gone(rank))?;
        }
        let from = self.from.lock().unwrap_or_else(|e| e.into_inner());
        from.iter().enumerate().map(|(rank, from)| from.recv().map_err(|_| gone(rank))).collect()
    }
}
