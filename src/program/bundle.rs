//! Small kernels that do not wait for each other run as one: what starts a kernel takes a GPU longer than what many of
//! them do.
//!
//! A step of pointwise ops waits, in a bundle of its phase, for others like it: until something wants what it makes, or the
//! bundle binds as many buffers as a kernel may, or holds on to too much memory. Where a later phase's steps need an earlier
//! one's, their bundle follows that one's.

use super::memory::root;
use super::{Step, Work};
use crate::graph::{Def, Graph, Phase, Value};
use std::collections::HashSet;

/// Bytes of a step's results and of what was computed for it, over which it is worth a kernel of its own.
const LARGE: usize = 1 << 20;
/// Bytes of both, over which a bundle waits no longer.
const HELD: usize = 4 << 20;
/// More than this many buffers in one kernel save little, and make its text long.
const MOST_BUFFERS: usize = 64;

/// A step, and which others must have run before it.
pub(super) struct Waiting {
    pub step: Step,
    /// The groups that it is made of; one, before it is bundled.
    pub group: usize,
    /// The groups that it waits for.
    pub after: HashSet<usize>,
}

/// Steps that will be one.
#[derive(Default)]
struct Bundle {
    members: Vec<Waiting>,
    groups: HashSet<usize>,
    bound: HashSet<Bound>,
    bytes: usize,
}

/// What takes a binding: a stored value, or the leaf over which one is stored.
type Bound = Value;

impl Bundle {
    fn needs(&self, groups: &HashSet<usize>) -> bool {
        self.members.iter().any(|m| !m.after.is_disjoint(groups))
    }

    fn add(&mut self, waiting: Waiting, bound: HashSet<Bound>, bytes: usize) {
        self.groups.insert(waiting.group);
        self.bound.extend(bound);
        self.bytes += bytes;
        self.members.push(waiting);
    }

    /// The one step, of no chains if the bundle is empty.
    fn step(self) -> Option<Step> {
        let mut members = self.members.into_iter().map(|m| m.step);
        let mut all = members.next()?;
        for step in members {
            let (Work::Fused(chains), Work::Fused(more)) = (&mut all.work, step.work) else {
                unreachable!("only pointwise steps are bundled")
            };
            chains.extend(more);
            let known: HashSet<Value> = all.inputs.iter().copied().collect();
            all.inputs.extend(step.inputs.into_iter().filter(|v| !known.contains(v)));
            all.outputs.extend(step.outputs);
        }
        Some(all)
    }
}

/// The buffers that a step binds.
fn bound(graph: &Graph, step: &Step) -> HashSet<Bound> {
    let Work::Fused(chains) = &step.work else { return HashSet::new() };
    let mut bound: HashSet<Bound> = step.inputs.iter().map(|v| root(graph, *v)).collect();
    for chain in chains {
        let own = chain.stores.iter().zip(&chain.in_place).filter(|(_, over)| over.is_none());
        bound.extend(own.map(|((v, _), _)| *v));
    }
    bound
}

/// Bytes that wait with a step: of what it makes, and of what nobody but a node made for it.
fn bytes(graph: &Graph, step: &Step) -> usize {
    let made = step.inputs.iter().map(|v| root(graph, *v)).filter(|v| matches!(graph.def(*v), Def::Node { .. }));
    made.chain(step.outputs.iter().copied()).map(|v| graph.meta(v).bytes()).sum()
}

/// Bundles `steps`, which are in an order in which they can run. A kernel binds at most `limit` buffers.
pub(super) fn bundle(graph: &Graph, steps: Vec<Waiting>, limit: usize) -> Vec<Step> {
    const PHASES: [Phase; 3] = [Phase::Forward, Phase::Backward, Phase::Update];
    let limit = limit.min(MOST_BUFFERS);
    let mut open: [Bundle; PHASES.len()] = Default::default();
    let mut out = Vec::new();
    for waiting in steps {
        let phase = PHASES.iter().position(|p| *p == waiting.step.phase).expect("every phase is there");
        let (binds, bytes) = (bound(graph, &waiting.step), bytes(graph, &waiting.step));
        let joins = matches!(waiting.step.work, Work::Fused(_)) && bytes <= LARGE;
        for p in 0..PHASES.len() {
            // What joins a later phase's bundle runs after those of the phases before.
            let follows = joins && p < phase;
            if !follows && !waiting.after.is_disjoint(&open[p].groups) {
                close(&mut open, p, &mut out);
            }
        }
        if !joins {
            out.push(waiting.step);
            continue;
        }
        let mine = &open[phase];
        if mine.bytes + bytes > HELD || mine.bound.union(&binds).count() > limit {
            close(&mut open, phase, &mut out);
        }
        open[phase].add(waiting, binds, bytes);
    }
    (0..PHASES.len()).for_each(|p| close(&mut open, p, &mut out));
    out
}

/// Runs the bundle of a phase, after those of the phases before it that it needs.
fn close(open: &mut [Bundle], phase: usize, out: &mut Vec<Step>) {
    for p in 0..phase {
        if open[phase].needs(&open[p].groups) {
            close(open, p, out);
        }
    }
    out.extend(std::mem::take(&mut open[phase]).step());
}
