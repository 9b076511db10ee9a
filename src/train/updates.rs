//! The updates of a part of a step where ranks train together: the programs that follow the batch of each rank, and what is
//! exchanged for them.

use crate::device::{Device, Executable, Store};
use crate::error::Result;
use crate::exchange::{Exchange, Sum};
use crate::graph::Graph;
use crate::optim::{ADDS, Cut, Shared};
use crate::program::Program;
use std::time::Instant;

/// The compiled updates of a part, not yet on a device.
#[derive(Clone, Debug)]
pub struct UpdatesPlan {
    follow: Program,
    finish: Program,
    gradients: Vec<Cut>,
    rest: Vec<Cut>,
    in_turn: bool,
}

/// The updates of a part on a device.
pub struct Updates {
    follow: Executable,
    finish: Executable,
    gradients: Vec<Cut>,
    rest: Vec<Cut>,
    in_turn: bool,
    sum: Sum,
    /// Gradients of this rank's batch, and their sum over all ranks: memory that every step takes again.
    own: Vec<u32>,
    whole: Vec<f32>,
}

/// What of a step the batches of a round are: one of each rank.
pub struct Round<'a> {
    /// The scalars of each.
    pub scalars: &'a [Vec<f32>],
    /// Whether they are the last of the step.
    pub last: bool,
}

impl UpdatesPlan {
    /// Compiles what follows a part.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn compile(shared: Shared, device: &Device) -> Result<UpdatesPlan> {
        let compile = |g: Graph| Program::compile(g, device.backend());
        let Shared { follow, finish, gradients, rest, in_turn, .. } = shared;
        let (follow, finish, in_turn) = (compile(follow)?, compile(finish)?, in_turn.is_some());
        Ok(UpdatesPlan { follow, finish, gradients, rest, in_turn })
    }

    /// Whether ranks take turns.
    pub fn in_turn(&self) -> bool {
        self.in_turn
    }

    /// Its programs.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        [&self.follow, &self.finish].into_iter()
    }

    /// Its programs.
    pub(super) fn programs_mut(&mut self) -> impl Iterator<Item = &mut Program> {
        [&mut self.follow, &mut self.finish].into_iter()
    }

    /// Bytes of host memory that an exchange takes: gradients as they are read, as they are sent and as they come back; the rest as
    /// often as it is small beside them.
    pub fn host_bytes(&self) -> usize {
        4 * (words(&self.gradients) + words(&self.rest)) * 4
    }

    /// Numbers of its gradients, and words of what else is exchanged of each batch.
    pub fn exchanged(&self) -> (usize, usize) {
        (words(&self.gradients), words(&self.rest))
    }

    /// Loads it beside the programs of a store.
    ///
    /// # Errors
    /// As [`Store::load_program`].
    pub fn load(self, store: &mut Store) -> Result<Updates> {
        let UpdatesPlan { follow, finish, gradients, rest, in_turn } = self;
        let (follow, finish) = (store.load_program(follow, false)?, store.load_program(finish, false)?);
        let (sum, own, whole) = (Sum::default(), Vec::new(), Vec::new());
        Ok(Updates { follow, finish, gradients, rest, in_turn, sum, own, whole })
    }
}

fn words(cut: &[Cut]) -> usize {
    cut.iter().map(|c| c.meta.words()).sum()
}

impl Updates {
    /// Runs `compute` on this rank's batch, and follows one batch of each rank, in the order of the ranks. Where these batches are
    /// the last of a step, it is made.
    ///
    /// # Errors
    /// If the exchange or the device fails.
    pub fn run(
        &mut self,
        compute: &mut Executable,
        store: &mut Store,
        exchange: &dyn Exchange,
        round: Round<'_>,
    ) -> Result<()> {
        let (own, ranks) = (exchange.rank(), exchange.ranks());
        let mut rests = Vec::new();
        if !self.in_turn {
            compute.run(&round.scalars[own])?;
            self.add(compute, exchange)?;
            rests = self.give(Some(compute), exchange)?;
        }
        for batch in 0..ranks {
            if self.in_turn {
                let turn = batch == own;
                if turn {
                    compute.run(&round.scalars[own])?;
                }
                rests = self.give(turn.then_some(&*compute), exchange)?;
                if batch + 1 == ranks {
                    self.add(compute, exchange)?;
                }
            }
            let ends = round.last && batch + 1 == ranks;
            if ends {
                self.sum.finish(exchange, &mut self.whole)?;
                write(store, &self.gradients, bytemuck::cast_slice(&self.whole))?;
            }
            self.follow(store, &rests[batch], &round.scalars[batch], ends)?;
        }
        Ok(())
    }

    /// Numbers of its gradients, and words of what else is exchanged of each batch.
    pub fn exchanged(&self) -> (usize, usize) {
        (words(&self.gradients), words(&self.rest))
    }

    /// Seconds of one batch alone, which nobody exchanges: until what it made is in host memory, to follow it, and to end the
    /// step with it.
    ///
    /// # Errors
    /// If the device fails.
    pub fn timed(&mut self, compute: &mut Executable, store: &mut Store, scalars: &[f32]) -> Result<[f64; 3]> {
        let mut began = Instant::now();
        let mut lap = || std::mem::replace(&mut began, Instant::now()).elapsed().as_secs_f64();
        compute.run(scalars)?;
        read_into(&mut self.own, compute, &self.gradients)?;
        let rest = read(compute, &self.rest)?;
        let compute = lap();
        self.follow(store, &rest, scalars, false)?;
        store.device().wait()?;
        let follow = lap();
        write(store, &self.gradients, &self.own)?;
        self.follow(store, &rest, scalars, true)?;
        store.device().wait()?;
        Ok([compute, follow, lap()])
    }

    /// Adds the gradients of a batch of each rank to the sum.
    fn add(&mut self, compute: &Executable, exchange: &dyn Exchange) -> Result<()> {
        read_into(&mut self.own, compute, &self.gradients)?;
        self.sum.add(exchange, bytemuck::cast_slice(&self.own))
    }

    /// What else was made of the batches, by rank, where a rank has made it.
    fn give(&self, made: Option<&Executable>, exchange: &dyn Exchange) -> Result<Vec<Vec<u32>>> {
        if self.rest.is_empty() {
            return Ok(vec![Vec::new(); exchange.ranks()]);
        }
        exchange.gather(&made.map_or(Ok(Vec::new()), |made| read(made, &self.rest))?)
    }

    /// Follows one batch; with the step itself where it `ends` it.
    fn follow(&mut self, store: &mut Store, rest: &[u32], scalars: &[f32], ends: bool) -> Result<()> {
        let program = if ends { &mut self.finish } else { &mut self.follow };
        let graph = program.program().graph().clone();
        if program.program().steps().is_empty() {
            return Ok(());
        }
        write(store, &self.rest, rest)?;
        let mut scalars = scalars.to_vec();
        if let (true, Some(adds)) = (ends, graph.scalars().iter().position(|s| s == ADDS)) {
            // The sum is whole.
            scalars[adds] = 0.0;
        }
        program.run(&scalars)
    }
}

/// The words of outputs, one after the other; all are asked for before one is waited for.
fn read(from: &Executable, cut: &[Cut]) -> Result<Vec<u32>> {
    let mut all = Vec::with_capacity(words(cut));
    read_into(&mut all, from, cut).map(|()| all)
}

/// As [`read`], into memory that is there already.
fn read_into(all: &mut Vec<u32>, from: &Executable, cut: &[Cut]) -> Result<()> {
    let coming = cut.iter().map(|c| from.start_read(&c.name)).collect::<Result<Vec<_>>>()?;
    all.clear();
    for reading in coming {
        all.extend_from_slice(reading.wait()?.words());
    }
    Ok(())
}

/// Writes the words of inputs, one after the other.
fn write(store: &mut Store, cut: &[Cut], mut words: &[u32]) -> Result<()> {
    for Cut { name, meta } in cut {
        let (own, rest) = words.split_at(meta.words());
        words = rest;
        store.write_words(name, meta, own)?;
    }
    Ok(())
}
