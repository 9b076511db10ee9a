//! Threads that share the work of a layer. With one thread there are none, and nothing is started.
//!
//! Work is cut into a few pieces a thread, and whoever is free takes the next one. So nobody waits for a thread that has not
//! woken up, or that the system gives no core: the caller finishes what is left. It waits only for pieces that were begun; where
//! that takes long, because other programs hold the cores, it works alone for a while.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Looks for work before a thread goes to sleep: some tens of microseconds, about the time between two layers.
const SPINS: u32 = 20_000;
/// Pieces of a thread: more even out threads of unequal speed, and each costs some tens of nanoseconds.
const PIECES: usize = 4;
/// A wait that is longer is for a thread without a core: pieces take some microseconds, and a system's turns milliseconds.
const STALL: Duration = Duration::from_micros(500);
/// How long the caller works alone after a stall, and at most after many.
const ALONE: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(2)];

/// What runs on every thread.
type Job = *const (dyn Fn() + Sync);

#[derive(Clone, Copy)]
struct SendJob(Job);
// SAFETY: the function is Sync, and `Pool::each` does not return while a worker runs it.
unsafe impl Send for SendJob {}

struct Shared {
    /// Counts jobs; a worker runs each at most once.
    turn: AtomicUsize,
    /// The job that is open, which workers may join.
    job: Mutex<Option<SendJob>>,
    sleeping: Condvar,
    /// Workers that run the job: they join while they hold the lock.
    active: AtomicUsize,
    /// Some worker panicked.
    failed: AtomicBool,
    ends: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<SendJob>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some threads.
pub(super) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Until when the caller works alone, and how long after the next stall.
    alone: Option<Instant>,
    next_alone: Duration,
}

impl Pool {
    /// `threads` in all, the caller's included.
    pub fn new(threads: usize) -> Pool {
        let shared = Arc::new(Shared {
            turn: AtomicUsize::new(0),
            job: Mutex::new(None),
            sleeping: Condvar::new(),
            active: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        let start = |_| {
            let shared = shared.clone();
            std::thread::spawn(move || work(&shared))
        };
        Pool { workers: (1..threads.max(1)).map(start).collect(), shared, alone: None, next_alone: ALONE[0] }
    }

    /// Threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// `f` of consecutive parts of `0..n`, multiples of `grain` but for the last, on whichever thread is free.
    pub fn parts(&mut self, n: usize, grain: usize, f: impl Fn(Range<usize>) + Sync) {
        let part = n.div_ceil(self.threads() * PIECES).next_multiple_of(grain.max(1)).max(1);
        let next = AtomicUsize::new(0);
        self.each(|| {
            loop {
                let start = next.fetch_add(part, Ordering::Relaxed);
                if start >= n {
                    return;
                }
                f(start..(start + part).min(n));
            }
        });
    }

    /// Runs `f` on the caller's thread and on those that join meanwhile.
    fn each(&mut self, f: impl Fn() + Sync) {
        if self.workers.is_empty() || self.alone.is_some_and(|end| Instant::now() < end) {
            return f();
        }
        let job: &(dyn Fn() + Sync) = &f;
        // SAFETY: only the lifetime is forgotten; this function closes the job and waits until no worker runs it any more.
        let job: Job = unsafe { std::mem::transmute::<&(dyn Fn() + Sync), Job>(job) };
        {
            let mut open = self.shared.lock();
            *open = Some(SendJob(job));
            self.shared.turn.fetch_add(1, Ordering::Release);
            self.shared.sleeping.notify_all();
        }
        let own = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&f));
        *self.shared.lock() = None;
        self.wait();
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!self.shared.failed.load(Ordering::Relaxed), "a thread of the runtime failed");
    }

    /// Until no worker runs the job, which is closed.
    fn wait(&mut self) {
        let mut since = None;
        let mut spins = 0u32;
        while self.shared.active.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins < SPINS / 8 {
                std::hint::spin_loop();
                continue;
            }
            since.get_or_insert_with(Instant::now);
            // Whoever is to finish may need this core.
            std::thread::yield_now();
        }
        if since.is_some_and(|since: Instant| since.elapsed() > STALL) {
            self.alone = Some(Instant::now() + self.next_alone);
            self.next_alone = (2 * self.next_alone).min(ALONE[1]);
        } else if self.alone.is_some_and(|end| end.elapsed() > self.next_alone) {
            (self.alone, self.next_alone) = (None, ALONE[0]);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        {
            let _open = self.shared.lock();
            self.shared.turn.fetch_add(1, Ordering::Release);
            self.shared.sleeping.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker does not panic: what it runs is caught.
            let _ = worker.join();
        }
    }
}

fn work(shared: &Shared) {
    let mut seen = 0;
    loop {
        let mut spins = 0;
        while shared.turn.load(Ordering::Acquire) == seen {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            let open = shared.lock();
            if shared.turn.load(Ordering::Acquire) == seen {
                drop(shared.sleeping.wait(open).unwrap_or_else(PoisonError::into_inner));
            }
            spins = 0;
        }
        let job = {
            let open = shared.lock();
            seen = shared.turn.load(Ordering::Acquire);
            // Asked after the turn, which the end is one of: between the two it would be missed, and waited for.
            if shared.ends.load(Ordering::Relaxed) {
                return;
            }
            if open.is_some() {
                shared.active.fetch_add(1, Ordering::Relaxed);
            }
            *open
        };
        if let Some(SendJob(job)) = job {
            // SAFETY: whoever gave the job waits for `active` to become 0 once it has closed it, and it was open.
            let run = || unsafe { (*job)() };
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                shared.failed.store(true, Ordering::Relaxed);
            }
            shared.active.fetch_sub(1, Ordering::Release);
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

    /// Where a worker is as slow as one without a core, the caller comes to work alone.
    #[test]
    fn a_thread_without_a_core_is_left_alone() {
        let mut pool = Pool::new(2);
        let caller = std::thread::current().id();
        while pool.alone.is_none() {
            pool.parts(64, 1, |_| {
                let own = std::thread::current().id() == caller;
                std::thread::sleep(if own { Duration::from_micros(100) } else { 10 * STALL });
            });
        }
        assert!(pool.next_alone > ALONE[0], "longer after the next stall");
        pool.alone = Some(Instant::now() + Duration::from_secs(3600));
        pool.parts(64, 1, |_| assert_eq!(std::thread::current().id(), caller));
        // Once it is over, and as much time again without a stall, all is as at the start.
        pool.next_alone = Duration::ZERO;
        pool.alone = Some(Instant::now());
        std::thread::sleep(Duration::from_millis(1));
        while pool.alone.is_some() {
            pool.next_alone = Duration::ZERO;
            pool.parts(64, 1, |_| ());
        }
        assert_eq!(pool.next_alone, ALONE[0]);
    }

    /// Whatever a worker is at, it sees the end.
    #[test]
    fn every_worker_ends() {
        for i in 0..3000 {
            let mut pool = Pool::new(2 + i % 2);
            (0..i % 3).for_each(|_| pool.parts(8, 1, |_| ()));
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
