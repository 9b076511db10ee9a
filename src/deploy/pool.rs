//! Threads that wait for a share of the work. With one thread there are none, and nothing is started.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// Looks for work before a thread goes to sleep: some tens of microseconds, about the time between two layers.
const SPINS: u32 = 20_000;

/// What runs on every thread: its number is the argument.
type Job = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// Counts jobs; a worker runs each once.
    turn: AtomicUsize,
    job: Mutex<Option<SendJob>>,
    sleeping: Condvar,
    /// Workers that have not finished the job yet.
    busy: AtomicUsize,
    /// Some worker panicked.
    failed: AtomicBool,
    ends: AtomicBool,
}

#[derive(Clone, Copy)]
struct SendJob(Job);
// SAFETY: the function is Sync, and `Pool::each` does not return before every worker is done with it.
unsafe impl Send for SendJob {}

/// Some threads.
pub(super) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// `threads` in all, the caller's included.
    pub fn new(threads: usize) -> Pool {
        let shared = Arc::new(Shared {
            turn: AtomicUsize::new(0),
            job: Mutex::new(None),
            sleeping: Condvar::new(),
            busy: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        let start = |i: usize| {
            let shared = shared.clone();
            std::thread::spawn(move || work(&shared, i))
        };
        Pool { workers: (1..threads.max(1)).map(start).collect(), shared }
    }

    /// Threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// `f` of consecutive parts of `0..n`, multiples of `grain` but for the last, one a thread.
    pub fn parts(&mut self, n: usize, grain: usize, f: impl Fn(Range<usize>) + Sync) {
        let threads = self.threads();
        let part = n.div_ceil(threads).next_multiple_of(grain.max(1));
        self.each(|i| {
            let (start, end) = ((i * part).min(n), ((i + 1) * part).min(n));
            if start < end {
                f(start..end);
            }
        });
    }

    fn each(&mut self, f: impl Fn(usize) + Sync) {
        if self.workers.is_empty() {
            return f(0);
        }
        let job: &(dyn Fn(usize) + Sync) = &f;
        // SAFETY: only the lifetime is forgotten; this function waits until no worker uses it any more.
        let job: Job = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(job) };
        self.shared.busy.store(self.workers.len(), Ordering::Relaxed);
        {
            let mut slot = self.shared.job.lock().unwrap_or_else(|e| e.into_inner());
            *slot = Some(SendJob(job));
            self.shared.turn.fetch_add(1, Ordering::Release);
            self.shared.sleeping.notify_all();
        }
        let own = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(0)));
        while self.shared.busy.load(Ordering::Acquire) > 0 {
            std::hint::spin_loop();
        }
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!self.shared.failed.load(Ordering::Relaxed), "a thread of the runtime failed");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        {
            let _slot = self.shared.job.lock().unwrap_or_else(|e| e.into_inner());
            self.shared.turn.fetch_add(1, Ordering::Release);
            self.shared.sleeping.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker does not panic: what it runs is caught.
            let _ = worker.join();
        }
    }
}

fn work(shared: &Shared, number: usize) {
    let mut seen = 0;
    loop {
        let mut spins = 0;
        while shared.turn.load(Ordering::Acquire) == seen {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            let slot = shared.job.lock().unwrap_or_else(|e| e.into_inner());
            if shared.turn.load(Ordering::Acquire) == seen {
                drop(shared.sleeping.wait(slot).unwrap_or_else(|e| e.into_inner()));
            }
            spins = 0;
        }
        seen += 1;
        if shared.ends.load(Ordering::Relaxed) {
            return;
        }
        let job = *shared.job.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(SendJob(job)) = job {
            // SAFETY: whoever gave the job waits for `busy` to become 0.
            let run = || unsafe { (*job)(number) };
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                shared.failed.store(true, Ordering::Relaxed);
            }
            shared.busy.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_runs_once_however_often() {
        for threads in [1, 2, 5] {
            let mut pool = Pool::new(threads);
            for n in [0, 1, 7, 64, 1000] {
                for grain in [1, 8] {
                    let count: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
                    pool.parts(n, grain, |part| {
                        assert!(part.start.is_multiple_of(grain));
                        part.for_each(|i| {
                            count[i].fetch_add(1, Ordering::Relaxed);
                        });
                    });
                    assert!(count.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{threads} {n} {grain}");
                }
            }
        }
    }

    #[test]
    fn sleepers_wake_up() {
        let mut pool = Pool::new(2);
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let sum = AtomicUsize::new(0);
            pool.parts(10, 1, |part| {
                sum.fetch_add(part.sum(), Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }
}
