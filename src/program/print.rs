//! A program as a table: what runs, on what, and where it lies.

use super::{Program, Work};
use crate::graph::Value;
use std::fmt;

impl Program {
    /// A short name of a step: the ops that it runs.
    pub fn step_name(&self, i: usize) -> String {
        let nodes = self.graph.nodes();
        match &self.steps[i].work {
            Work::Fused(f) => f.nodes.iter().map(|n| nodes[*n].op.name()).collect::<Vec<_>>().join("+"),
            Work::Node { node, .. } => nodes[*node].op.name().to_string(),
            Work::Copy { .. } => "copy".to_string(),
        }
    }

    /// The layer that a step belongs to: the scope of its last node.
    pub fn step_scope(&self, i: usize) -> &str {
        let nodes = self.graph.nodes();
        match &self.steps[i].work {
            Work::Fused(f) => &nodes[*f.nodes.last().expect("no empty kernel")].scope,
            Work::Node { node, .. } => &nodes[*node].scope,
            Work::Copy { to, .. } => self.graph.name(*to),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
        writeln!(
            f,
            "{} steps, {} buffers, {:.2} MiB planned ({:.2} MiB transient, {:.2} MiB kept for backward)",
            self.steps.len(),
            self.buffers.len(),
            mib(self.planned_bytes()),
            mib(self.transient_bytes()),
            mib(self.kept_bytes())
        )?;
        let show = |v: &Value| {
            let at = self.place[v.index()].map_or("-".to_string(), |b| format!("b{b}"));
            format!("{}@{at}", self.graph.meta(*v))
        };
        for (i, step) in self.steps.iter().enumerate() {
            let list = |vs: &[Value]| vs.iter().map(show).collect::<Vec<_>>().join(" ");
            let launches = match &step.work {
                Work::Node { lowering, .. } => lowering
                    .launches
                    .iter()
                    .map(|l| format!(" [{} {}x{}x{}]", l.shader, l.workgroups[0], l.workgroups[1], l.workgroups[2]))
                    .collect::<String>(),
                _ => String::new(),
            };
            writeln!(
                f,
                "{i:4} {:8} {:24} {}: {} -> {}{launches}",
                format!("{:?}", step.phase).to_lowercase(),
                self.step_scope(i),
                self.step_name(i),
                list(&step.inputs),
                list(&step.outputs)
            )?;
        }
        Ok(())
    }
}
