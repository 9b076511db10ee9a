//! Ranks that are programs, by MPI.
//!
//! Messages go from rank to rank without blocking and are waited for by asking again and again, so that MPI is never inside a
//! call for long: beside the thread that exchanges, another one lets the others know every second that this rank lives, and
//! notices when one of them has not been heard of. MPI is asked by one thread at a time (`MPI_THREAD_SERIALIZED`).

use super::{Exchange, check_known, check_parts};
use crate::error::{Error, Result};
use mpi::Threading;
use mpi::datatype::Equivalence;
use mpi::environment::Universe;
use mpi::request::scope;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Source};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What messages are told apart by.
const DATA: i32 = 1;
const ALIVE: i32 = 2;

/// Nanoseconds in which a word is carried between programs of a machine, or by the fastest networks, at the slowest.
const CARRIED: u64 = 10;

/// How often a rank says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// After how long a silent rank is taken for dead. A rank that computes is not silent, whatever it computes.
const SILENCE: Duration = Duration::from_secs(20);

/// A rank that is a program.
pub(super) struct Mpi {
    rank: usize,
    ranks: usize,
    local: (usize, usize),
    host: String,
    turn: Arc<Mutex<()>>,
    closing: Arc<AtomicBool>,
    beats: Mutex<Option<JoinHandle<()>>>,
    /// Left alone unless all ranks come to an end together: what frees it waits for the others.
    universe: Mutex<ManuallyDrop<Universe>>,
}

// SAFETY: what makes the universe no `Send` is nothing that it points to; it is touched in `close` alone, behind its mutex.
unsafe impl Send for Mpi {}
// SAFETY: as above; MPI is asked by one thread at a time (`turn`), as it was told when it was initialised.
unsafe impl Sync for Mpi {}

impl Mpi {
    pub fn begin() -> Result<Mpi> {
        let refused = |what: &str| Error::Config(format!("MPI: {what}"));
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| refused("it was initialised before: only one run is trained a process"))?;
        let universe = ManuallyDrop::new(universe);
        if threading < Threading::Serialized {
            return Err(refused("this build of it allows no threads (MPI_THREAD_SERIALIZED): take another one"));
        }
        let world = universe.world();
        let number = |n: i32| usize::try_from(n).expect("ranks are counted from 0");
        let (rank, ranks) = (number(world.rank()), number(world.size()));
        let here = world.split_shared(world.rank());
        let local = (number(here.rank()), number(here.size()));
        let host = mpi::environment::processor_name().unwrap_or_default();
        let made = Mpi {
            rank,
            ranks,
            local,
            host,
            turn: Arc::default(),
            closing: Arc::default(),
            beats: Mutex::default(),
            universe: Mutex::new(universe),
        };
        let hosts = (&made as &dyn Exchange).gather_text(&made.host)?;
        let (turn, closing) = (made.turn.clone(), made.closing.clone());
        let thread =
            std::thread::Builder::new().name("ranks".into()).spawn(move || beat(rank, &hosts, &turn, &closing));
        let thread =
            thread.map_err(|e| refused(&format!("the system starts no thread that watches the other ranks: {e}")))?;
        *lock(&made.beats) = Some(thread);
        Ok(made)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Asks until there is an answer: at once and, for as long as that is `due` soon, again and again; then now and then.
fn poll<T>(turn: &Mutex<()>, due: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let (mut asked, began) = (0u32, Instant::now());
    loop {
        let turn = lock(turn);
        if let Some(answer) = ask() {
            return answer;
        }
        drop(turn);
        asked = asked.saturating_add(1);
        match asked {
            0..50 => std::thread::yield_now(),
            _ if began.elapsed() < due => std::thread::yield_now(),
            // A core that waits is one that another rank, or this one's threads that read images, can have. MPI carries a message on
            // where it is asked, some hundred kilobytes at a time: who asks more seldom is slower than the wire.
            _ => std::thread::sleep(Duration::from_micros(if asked < 50_000 { 50 } else { 500 })),
        }
    }
}

impl Exchange for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn local(&self) -> (usize, usize) {
        self.local
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    fn swap(&self, parts: &[&[u32]]) -> Result<Vec<Vec<u32>>> {
        check_parts(parts, self.ranks)?;
        if let Some(part) = parts.iter().find(|p| i32::try_from(p.len()).is_err()) {
            return Err(Error::Limit(format!(
                "{} numbers for one rank are more than a message of MPI can have (2147483647): take more ranks or a smaller network",
                part.len()
            )));
        }
        let mut got = vec![Vec::new(); self.ranks];
        got[self.rank] = parts[self.rank].to_vec();
        let peers: Vec<usize> = (1..self.ranks).map(|k| (self.rank + k) % self.ranks).collect();
        scope(|sending| {
            let world = SimpleCommunicator::world();
            let mut sent: Vec<_> = {
                let _turn = lock(&self.turn);
                let send =
                    |to: &usize| world.process_at_rank(*to as i32).immediate_send_with_tag(sending, parts[*to], DATA);
                peers.iter().map(send).collect()
            };
            // From where others send last what this one sends first, so that not all wait for the same rank.
            for from in peers.iter().rev() {
                let peer = world.process_at_rank(*from as i32);
                let status = poll(&self.turn, Duration::ZERO, || peer.immediate_probe_with_tag(DATA));
                let mut part =
                    vec![0u32; usize::try_from(status.count(u32::equivalent_datatype())).expect("words were sent")];
                scope(|receiving| {
                    let mut request = {
                        let _turn = lock(&self.turn);
                        Some(peer.immediate_receive_into_with_tag(receiving, &mut part[..], DATA))
                    };
                    poll(&self.turn, Duration::ZERO, || {
                        request.take().and_then(|r| r.test().map_err(|r| request = Some(r)).ok())
                    });
                });
                got[*from] = part;
            }
            while let Some(one) = sent.pop() {
                let mut request = Some(one);
                poll(&self.turn, Duration::ZERO, || {
                    request.take().and_then(|r| r.test().map_err(|r| request = Some(r)).ok())
                });
            }
        });
        Ok(got)
    }

    fn swap_known(&self, parts: &[&[u32]], got: &mut [&mut [u32]]) -> Result<()> {
        check_parts(parts, self.ranks)?;
        // A rank that still computes is waited for here, without a core of its own. Those that have all they need are then as fast
        // as the wire, or as memory, if MPI is asked without a pause.
        self.swap(&vec![&[][..]; self.ranks])?;
        let is_other = |(rank, words): &(usize, usize)| *rank != self.rank && *words > 0;
        let lengths: Vec<usize> = got.iter().map(|room| room.len()).collect();
        let words: usize = lengths.iter().enumerate().map(|(r, n)| (r, *n)).filter(is_other).map(|(_, n)| n).sum();
        let mut wrong = None;
        scope(|scope| {
            let world = SimpleCommunicator::world();
            let (mut coming, mut going) = (Vec::new(), Vec::new());
            {
                let _turn = lock(&self.turn);
                for (from, room) in got.iter_mut().enumerate().filter(|(r, room)| is_other(&(*r, room.len()))) {
                    let peer = world.process_at_rank(from as i32);
                    coming.push((from, Some(peer.immediate_receive_into_with_tag(scope, &mut **room, DATA))));
                }
                let others = (1..self.ranks).map(|k| (self.rank + k) % self.ranks);
                for to in others.filter(|to| is_other(&(*to, parts[*to].len()))) {
                    let peer = world.process_at_rank(to as i32);
                    going.push(Some(peer.immediate_send_with_tag(scope, parts[to], DATA)));
                }
            }
            poll(&self.turn, Duration::from_nanos(words as u64 * CARRIED), || {
                for (from, request) in &mut coming {
                    let Some(one) = request.take() else { continue };
                    match one.test() {
                        Ok(status) => {
                            let given =
                                usize::try_from(status.count(u32::equivalent_datatype())).expect("words were sent");
                            wrong = wrong.take().or(check_known(*from, given, lengths[*from]).err());
                        }
                        Err(one) => *request = Some(one),
                    }
                }
                for request in &mut going {
                    *request = request.take().and_then(|one| one.test().err());
                }
                let is_done = coming.iter().all(|(_, r)| r.is_none()) && going.iter().all(Option::is_none);
                is_done.then_some(())
            });
        });
        wrong.map_or(Ok(()), Err)
    }

    fn end_all(&self, code: u8) -> ! {
        SimpleCommunicator::world().abort(code.into())
    }

    fn close(&self) -> Result<()> {
        // Whoever waits here for another rank is heard by it; and once all are here, nobody listens for long.
        (self as &dyn Exchange).gather(&[])?;
        self.closing.store(true, Ordering::Relaxed);
        if let Some(beats) = lock(&self.beats).take() {
            let _ = beats.join();
        }
        // What was sent until then is received, as MPI wants it at its end.
        (self as &dyn Exchange).gather(&[])?;
        let world = SimpleCommunicator::world();
        (0..self.ranks).filter(|r| *r != self.rank).for_each(|peer| {
            hear(&world, peer);
        });
        // SAFETY: dropped once: whoever closes holds no other reference, and asks for nothing after it.
        unsafe { ManuallyDrop::drop(&mut lock(&self.universe)) };
        Ok(())
    }
}

/// Takes what a rank said of its being alive; whether it said anything.
fn hear(world: &SimpleCommunicator, rank: usize) -> bool {
    let peer = world.process_at_rank(rank as i32);
    let mut heard = false;
    while peer.immediate_probe_with_tag(ALIVE).is_some() {
        peer.receive_into_with_tag(&mut [0u8; 0][..], ALIVE);
        heard = true;
    }
    heard
}

/// Lets the others know that this rank lives, and ends all if one of them does not.
fn beat(rank: usize, hosts: &[String], turn: &Mutex<()>, closing: &AtomicBool) {
    let world = SimpleCommunicator::world();
    let mut heard: Vec<Instant> = vec![Instant::now(); hosts.len()];
    let mut last = Instant::now();
    while !closing.load(Ordering::Relaxed) {
        // Stopped itself, or on a machine that slept: the others are heard first.
        let slept = last.elapsed() > 5 * BEAT;
        last = Instant::now();
        for (peer, at) in heard.iter_mut().enumerate().filter(|(peer, _)| *peer != rank) {
            let _turn = lock(turn);
            world.process_at_rank(peer as i32).send_with_tag(&[0u8; 0][..], ALIVE);
            if hear(&world, peer) || slept {
                *at = Instant::now();
            }
            if at.elapsed() > SILENCE {
                eprintln!(
                    "error: rank {peer} (on {}) has not been heard of for {} seconds: it hangs, or its machine cannot be reached; all ranks \
                     end here, and the run goes on from its last checkpoint with --resume",
                    hosts[peer],
                    SILENCE.as_secs()
                );
                world.abort(2);
            }
        }
        // In pieces, so that the end does not wait for it.
        while last.elapsed() < BEAT && !closing.load(Ordering::Relaxed) {
            std::thread::sleep(BEAT / 20);
        }
    }
}
