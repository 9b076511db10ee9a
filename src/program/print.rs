//! A program as a table: what runs, on what, and where it lies.

use super::{Program, Work};
use crate::graph::Value;
use std::fmt;

impl Program {
    /// A short name of a step: the ops that it runs, of chains that run together each name once and how often.
    pub fn step_name(&self, i: usize) -> String {
        let nodes = self.graph.nodes();
        match &self.steps[i].work {
            Work::Fused(chains) => {
                let mut names: Vec<(String, usize)> = Vec::new();
                for chain in chains {
                    let name = chain.nodes.iter().map(|n| nodes[*n].op.name()).collect::<Vec<_>>().join("+");
                    match names.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, times)) => *times += 1,
                        None => names.push((name, 1)),
                    }
                }
                let told = |(name, times)| if times == 1 { name } else { format!("{times} x {name}") };
                names.into_iter().map(told).collect::<Vec<_>>().join(", ")
            }
            Work::Node { node, .. } => nodes[*node].op.name().to_string(),
            Work::Copy { .. } => "copy".to_string(),
        }
    }

    /// The layer that a step belongs to: the scope of its last node; of chains of several layers what their names begin
    /// with, which may be nothing.
    pub fn step_scope(&self, i: usize) -> &str {
        let nodes = self.graph.nodes();
        match &self.steps[i].work {
            Work::Fused(chains) => {
                let scope = |f: &super::Fused| nodes[*f.nodes.last().expect("no empty kernel")].scope.as_str();
                chains[1..].iter().fold(scope(&chains[0]), |all, f| common(all, scope(f)))
            }
            Work::Node { node, .. } => &nodes[*node].scope,
            Work::Copy { to, .. } => self.graph.name(*to),
        }
    }
}

/// The layers that two scopes both lie in.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    if a == b {
        return a;
    }
    let whole = a.split_inclusive('.').zip(b.split_inclusive('.')).take_while(|(x, y)| x == y);
    a[..whole.map(|(x, _)| x.len()).sum()].trim_end_matches('.')
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
