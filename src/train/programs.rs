//! Several programs over one store: the parts of a step, and a test between steps. A discriminator and a generator, or
//! a teacher and a student, are parts too.

use super::checkpoint;
use super::metrics::take_means;
use super::ranks::Ranks;
use super::updates::{Updates, UpdatesPlan};
use crate::data::BATCHES_AT_ONCE;
use crate::device::{Device, Executable, Reading, Store};
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::methods::{EVAL_IMAGES, Graphs, LOGITS, TRANSIENT};
use crate::optim::Shared;
use crate::program::{BufferKind, Program};
use crate::recipe::Recompute;
use crate::shader::sources::Sources;
use crate::tensor::HostTensor;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The compiled programs of a run, not yet on a device.
#[derive(Clone, Debug)]
pub struct Programs {
    /// What runs once, before the first step.
    pub start: Option<Program>,
    /// The parts of a step, then those of a step of the second pass.
    pub step: Vec<(&'static str, Program)>,
    /// Where those of the second pass begin.
    pub refresh: usize,
    /// Where ranks train together: the updates of each of `step`, which then ends before them; none of parts that read no
    /// images, which run whole in every rank. Empty for one program.
    pub updates: Vec<Option<UpdatesPlan>>,
    /// The test.
    pub eval: Program,
    /// Content of leaves that comes from elsewhere.
    pub given: HashMap<String, HostTensor>,
}

impl Programs {
    /// Compiles the graphs.
    pub fn compile(graphs: Graphs, device: &Device) -> Result<Programs> {
        Programs::compile_for(graphs, device, 1)
    }

    /// As [`Programs::compile`], for one of `ranks` that train together. A step has then as many batches, or a multiple.
    ///
    /// # Errors
    /// As [`Programs::compile`]; and if the batches of a step of the first pass cannot be worked on at the same time ([`Shared::of`]).
    pub fn compile_for(mut graphs: Graphs, device: &Device, ranks: usize) -> Result<Programs> {
        let mut updates = Vec::new();
        if ranks > 1 {
            let first_pass = graphs.step.len();
            for (part, (_, graph)) in graphs.step.iter_mut().chain(&mut graphs.refresh).enumerate() {
                updates.push(match graph.inputs().is_empty() {
                    true => None,
                    false => {
                        let shared = Shared::of(graph, &part.to_string(), |leaf| leaf.starts_with(TRANSIENT))?;
                        // A second pass in turn is worth it where the first one is shared; a run in turn is none of several ranks.
                        if let (Some(leaf), true) = (&shared.in_turn, part < first_pass) {
                            return Err(Error::Config(format!("{leaf} {}", Shared::APART)));
                        }
                        *graph = shared.compute.clone();
                        Some(UpdatesPlan::compile(shared, device)?)
                    }
                });
            }
        }
        let compile = |g: Graph| Program::compile(g, device.backend());
        let trains = |g: Graph| match graphs.recompute {
            Recompute::Nothing => compile(g),
            Recompute::Pointwise => Program::compile_recomputing_pointwise(g, device.backend()),
            Recompute::Blocks => Program::compile_recomputing(g, device.backend()),
        };
        let refresh = graphs.step.len();
        let step = graphs.step.into_iter().chain(graphs.refresh);
        let step = step.map(|(n, g)| Ok((n, trains(g)?))).collect::<Result<_>>()?;
        let start = graphs.start.map(compile).transpose()?;
        Ok(Programs { start, step, refresh, updates, eval: compile(graphs.eval)?, given: graphs.given })
    }

    /// The same with other shader files.
    pub fn with_sources(mut self, sources: &Sources) -> Programs {
        let updates = self.updates.iter_mut().flatten().flat_map(UpdatesPlan::programs_mut);
        for p in self.step.iter_mut().map(|(_, p)| p).chain([&mut self.eval]).chain(&mut self.start).chain(updates) {
            p.sources = sources.clone();
        }
        self
    }

    /// All programs.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let updates = self.updates.iter().flatten().flat_map(UpdatesPlan::programs);
        self.step.iter().map(|(_, p)| p).chain([&self.eval]).chain(&self.start).chain(updates)
    }

    /// Bytes of all buffers, those that programs share counted once.
    pub fn planned_bytes(&self) -> usize {
        self.buffers().into_iter().sum::<u64>() as usize
    }

    /// Bytes of each buffer, those that programs share once.
    pub fn buffers(&self) -> Vec<u64> {
        let mut shared: HashMap<&str, u64> = HashMap::new();
        let mut all = Vec::new();
        for p in self.programs() {
            for b in &p.buffers {
                match b.kind {
                    BufferKind::Persistent(v) | BufferKind::Input(v) => {
                        shared.insert(p.graph.name(v), 4 * b.words as u64);
                    }
                    _ => all.push(4 * b.words as u64),
                }
            }
        }
        all.extend(shared.into_values());
        all
    }

    /// Bytes of host memory beside the plan, of what is only there now and then: a checkpoint as a file and as tensors (when one
    /// is written the tensors alone), and the batches that wait for the device, of which `together` make a step.
    pub fn beside_bytes(&self, together: usize) -> usize {
        let (mut saved, mut inputs) = (HashMap::new(), HashMap::new());
        for p in self.programs() {
            for v in checkpoint::leaves(&p.graph) {
                saved.insert(p.graph.name(v), p.graph.meta(v).bytes());
            }
            for b in &p.buffers {
                if let BufferKind::Input(v) = b.kind {
                    inputs.insert(p.graph.name(v), 4 * b.words);
                }
            }
        }
        let exchanged = self.updates.iter().flatten().map(UpdatesPlan::host_bytes).max().unwrap_or(0);
        2 * saved.values().sum::<usize>()
            + (BATCHES_AT_ONCE - 1 + together) * inputs.values().sum::<usize>()
            + exchanged
    }

    /// Whether ranks take turns in the second pass of an epoch, in which each batch goes by what those before it left.
    pub fn takes_turns(&self) -> bool {
        self.updates.iter().flatten().any(UpdatesPlan::in_turn)
    }

    /// Numbers of gradients that ranks exchange a batch, and words of what else, of all parts; nothing of one program.
    pub fn exchanged(&self) -> (usize, usize) {
        let each = self.updates.iter().flatten().map(UpdatesPlan::exchanged);
        each.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Bytes that the parts of a step keep from forward to backward, together.
    pub fn kept_bytes(&self) -> usize {
        self.step.iter().map(|(_, p)| p.kept_bytes()).sum()
    }

    /// Trained numbers, and those of them whose sign alone is used.
    pub fn parameters(&self) -> (usize, usize) {
        let mut seen = HashSet::new();
        let (mut all, mut binary) = (0, 0);
        for (_, p) in &self.step {
            for v in p.graph.params() {
                if seen.insert(p.graph.name(v)) {
                    let n = p.graph.shape(v).elements();
                    all += n;
                    binary += if p.graph.init(v).is_some_and(|(_, r)| r.is_binary()) { n } else { 0 };
                }
            }
        }
        (all, binary)
    }
}

/// Programs on a device.
pub struct Runner {
    store: Store,
    start: Option<Executable>,
    step: Vec<Executable>,
    refresh: usize,
    updates: Vec<Option<Updates>>,
    eval: Executable,
    given: HashMap<String, HostTensor>,
    ranks: Option<Ranks>,
}

impl Runner {
    /// Loads the programs and fills parameters and state with their initial content.
    pub fn load(plan: Programs, device: &Device, seed: u64) -> Result<Runner> {
        let mut store = Store::new(device.clone());
        let step = plan.step.into_iter().map(|(_, p)| store.load_program(p, false)).collect::<Result<Vec<_>>>()?;
        let updates = plan.updates.into_iter().map(|u| u.map(|u| u.load(&mut store)).transpose());
        let updates = updates.collect::<Result<_>>()?;
        let eval = store.load_program(plan.eval, false)?;
        let start = plan.start.map(|p| store.load_program(p, false)).transpose()?;
        let mut s = Runner { store, start, step, refresh: plan.refresh, updates, eval, given: plan.given, ranks: None };
        s.initialise(seed)?;
        Ok(s)
    }

    /// Fills parameters and state with their initial content: what was given, else by their own rule; then lets the
    /// start program have its say.
    pub fn initialise(&mut self, seed: u64) -> Result<()> {
        for graph in self.graphs() {
            self.store.initialise(&graph, seed)?;
            for v in graph.params().into_iter().chain(graph.states()) {
                if let Some(t) = self.given.get(graph.name(v)).filter(|t| t.shape() == graph.shape(v)) {
                    self.store.write(graph.name(v), t)?;
                }
            }
        }
        match &mut self.start {
            Some(start) => start.run(&[]),
            None => Ok(()),
        }
    }

    /// The first parameter that holds a number that is not finite.
    pub fn first_bad_parameter(&self) -> Result<Option<String>> {
        for graph in self.graphs() {
            for name in graph.params().into_iter().map(|v| graph.name(v)) {
                if self.store.read(name)?.f32s().iter().any(|x| !x.is_finite()) {
                    return Ok(Some(name.to_string()));
                }
            }
        }
        Ok(None)
    }

    fn graphs(&self) -> Vec<Arc<Graph>> {
        // The test comes first: what it shares with a step starts as the step says.
        [&self.eval].into_iter().chain(&self.step).map(|e| e.program().graph.clone()).collect()
    }

    /// Makes it one of several ranks, for which its programs were compiled.
    pub fn join(&mut self, ranks: Ranks) {
        self.ranks = Some(ranks);
    }

    /// The ranks that it is one of.
    pub fn ranks(&self) -> Option<&Ranks> {
        self.ranks.as_ref()
    }

    /// The updates of part `i`, with what they are exchanged by and the part itself; `None` of one that runs whole.
    pub fn shared(&mut self, i: usize) -> Option<(&mut Executable, &mut Updates, &mut Store)> {
        let updates = self.updates.get_mut(i)?.as_mut()?;
        Some((&mut self.step[i], updates, &mut self.store))
    }

    /// The programs of a step, then those of a step of the second pass.
    pub fn parts(&self) -> &[Executable] {
        &self.step
    }

    /// Which of them make a step of the first or the second pass.
    pub fn parts_of(&self, second: bool) -> std::ops::Range<usize> {
        if second { self.refresh..self.step.len() } else { 0..self.refresh }
    }

    /// Whether each epoch has a second pass.
    pub fn has_refresh(&self) -> bool {
        self.refresh < self.step.len()
    }

    /// Part `i` of a step.
    pub fn part(&mut self, i: usize) -> &mut Executable {
        &mut self.step[i]
    }

    /// What of a step takes longest on a GPU without a break, and its seconds.
    pub fn longest(&self) -> Option<(String, f64)> {
        let all = self.step.iter().filter_map(|e| if let Executable::Gpu(e) = e { e.longest() } else { None });
        all.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Names of the latent weights of binary layers, in their order.
    pub fn binary_weights(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for graph in self.step.iter().map(|e| &e.program().graph) {
            let binary = |v: &Value| graph.init(*v).is_some_and(|(_, role)| role.is_binary());
            for name in graph.params().into_iter().filter(binary).map(|v| graph.name(v)) {
                if !names.iter().any(|n| n == name) {
                    names.push(name.to_string());
                }
            }
        }
        names
    }

    /// What [`track_mean`](crate::methods::tracking::track_mean) logged since the last call.
    pub fn take_means(&mut self) -> Result<BTreeMap<String, f64>> {
        let graphs: Vec<Arc<Graph>> = self.step.iter().map(|e| e.program().graph.clone()).collect();
        let graphs: Vec<&Graph> = graphs.iter().map(Arc::as_ref).collect();
        take_means(&mut self.store, &graphs)
    }

    /// Tensors by name.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Writes an input if any program has it.
    pub fn input(&mut self, name: &str, t: &HostTensor) -> Result<()> {
        if self.store.meta(name).is_some() { self.store.write(name, t) } else { Ok(()) }
    }

    /// Runs part `i` of a step.
    pub fn run(&mut self, i: usize, scalars: &[f32]) -> Result<()> {
        self.step[i].run(scalars)
    }

    /// The logits of a test batch.
    pub fn logits(&mut self, images: &HostTensor) -> Result<HostTensor> {
        Ok(self.timed_logits(images)?.0)
    }

    /// Starts a test batch, and does not wait for a GPU: what comes of it is as [`Runner::logits`] has it, whatever is started
    /// after it.
    pub fn start_logits(&mut self, images: &HostTensor) -> Result<Reading> {
        self.store.write(EVAL_IMAGES, images)?;
        self.run_eval()?;
        self.eval.start_read(LOGITS)
    }

    /// As [`Runner::logits`], with the time that the device worked on them.
    pub fn timed_logits(&mut self, images: &HostTensor) -> Result<(HostTensor, Duration)> {
        self.store.write(EVAL_IMAGES, images)?;
        let start = Instant::now();
        self.run_eval()?;
        self.store.device().wait()?;
        let spent = start.elapsed();
        Ok((self.eval.read(LOGITS)?, spent))
    }

    fn run_eval(&mut self) -> Result<()> {
        let scalars = vec![0.0; self.eval.program().graph.scalars().len()];
        self.eval.run(&scalars)
    }

    /// Copies everything that a checkpoint holds.
    pub fn gather(&self) -> Result<HashMap<String, HostTensor>> {
        let graphs = self.graphs();
        let graphs: Vec<&Graph> = graphs.iter().map(Arc::as_ref).collect();
        checkpoint::gather(&self.store, &graphs)
    }

    /// Fills parameters and state from a checkpoint.
    pub fn restore(&mut self, from: &checkpoint::Checkpoint, path: &std::path::Path) -> Result<()> {
        for graph in self.graphs().iter().rev() {
            from.restore(&mut self.store, graph, path)?;
        }
        Ok(())
    }
}
