//! What a check of gradients found, layer by layer: printed as a table, written as JSON.

use super::super::report::number;
use super::{Checked, NodeGradient};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Gradients that are printed in full.
const SHOWN: usize = 20;

/// The gradient of a node with respect to one of its inputs, along the direction in which it is furthest off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputGradient {
    /// Position of the node in the graph.
    pub node: usize,
    /// Its op.
    pub op: String,
    /// Which of its inputs.
    pub input: usize,
    /// By the nodes that the op appends; 0 where it appends none.
    #[serde(with = "number")]
    pub derived: f64,
    /// By differences of what the op computes.
    #[serde(with = "number")]
    pub numeric: f64,
    /// How far apart the two are, as a fraction of what they may be: over 1 is wrong.
    #[serde(with = "number")]
    pub fraction: f64,
}

impl InputGradient {
    /// Whether the gradient is not that of what the op computes.
    pub fn is_wrong(&self) -> bool {
        self.fraction > 1.0
    }
}

/// The nodes of one layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerGradients {
    /// The program of the training step that they are in.
    pub part: String,
    /// The layer; empty outside of any.
    pub layer: String,
    /// Nodes that were compared with differences.
    pub compared: usize,
    /// How many nodes of which op have gradients by definition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub definition: BTreeMap<String, usize>,
    /// Nodes through which no gradient goes anywhere.
    pub none: usize,
    /// The gradient nearest to its bound, or the furthest past it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<InputGradient>,
    /// All that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<InputGradient>,
}

/// The gradients of a training step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradientReport {
    /// Version of the program.
    pub version: String,
    /// The recipe.
    pub recipe: String,
    /// Its seed.
    pub seed: u64,
    /// In the order in which the step comes to them.
    pub layers: Vec<LayerGradients>,
}

impl GradientReport {
    /// Adds what came of a node of this part of the step.
    pub fn add(&mut self, part: &str, made: NodeGradient) {
        let is_its = |l: &LayerGradients| l.part == part && l.layer == made.scope;
        let at = self.layers.iter().position(is_its).unwrap_or_else(|| {
            let layer = made.scope.clone();
            self.layers.push(LayerGradients { part: part.to_string(), layer, ..LayerGradients::default() });
            self.layers.len() - 1
        });
        let layer = &mut self.layers[at];
        match made.checked {
            Checked::Definition => *layer.definition.entry(made.op.to_string()).or_default() += 1,
            Checked::None => layer.none += 1,
            Checked::Differences(inputs) => {
                layer.compared += 1;
                for input in inputs {
                    if layer.worst.as_ref().is_none_or(|w| w.fraction < input.fraction) {
                        layer.worst = Some(input.clone());
                    }
                    if input.is_wrong() {
                        layer.wrong.push(input);
                    }
                }
            }
        }
    }

    /// Whether nothing was wrong.
    pub fn passed(&self) -> bool {
        self.layers.iter().all(|l| l.wrong.is_empty())
    }
}

impl LayerGradients {
    /// Its name for people; with the part where the step has several.
    fn title(&self, parts: bool) -> String {
        let layer = if self.layer.is_empty() { "(no layer)" } else { &self.layer };
        if parts { format!("{} {layer}", self.part) } else { layer.to_string() }
    }

    fn defined(&self) -> String {
        let each: Vec<String> = self.definition.iter().map(|(op, n)| format!("{n} {op}")).collect();
        each.join(", ")
    }
}

impl fmt::Display for GradientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.layers.iter().any(|l| l.part != self.layers[0].part);
        let width = self.layers.iter().map(|l| l.title(parts).len()).max().unwrap_or(5).max(5);
        writeln!(f, "Gradients of {}'s first step against finite differences, in f64, node by node.", self.recipe)?;
        writeln!(
            f,
            "Largest difference as a fraction of its bound; nodes whose gradients are others by definition.\n"
        )?;
        writeln!(f, "{:width$}  {:>8} {:>8}  by definition", "layer", "compared", "worst")?;
        for l in &self.layers {
            let worst = match &l.worst {
                _ if !l.wrong.is_empty() => "WRONG".to_string(),
                Some(w) => format!("{:.3}", w.fraction),
                None => String::new(),
            };
            let row = format!("{:width$}  {:>8} {worst:>8}  {}", l.title(parts), l.compared, l.defined());
            writeln!(f, "{}", row.trim_end())?;
        }
        let wrong: Vec<_> = self.layers.iter().flat_map(|l| l.wrong.iter().map(move |w| (l, w))).collect();
        for (l, w) in wrong.iter().take(SHOWN) {
            let InputGradient { node, op, input, derived, numeric, .. } = w;
            let (layer, gives) = (l.title(parts), format!("{derived} by its gradient, {numeric} by differences"));
            writeln!(f, "\nWRONG in layer {layer}: {op} (node {node}), input {input}: {gives}")?;
        }
        if wrong.len() > SHOWN {
            writeln!(f, "\n... and {} more; --json FILE lists all", wrong.len() - SHOWN)?;
        }
        if !wrong.is_empty() {
            writeln!(f, "\nAn op whose gradient is another on purpose says so: `gradient_of`.")?;
        }
        let count = |n: fn(&LayerGradients) -> usize| self.layers.iter().map(n).sum::<usize>();
        write!(
            f,
            "\n{}: {} nodes compared, {} with gradients by definition, {} with none, seed {}",
            if self.passed() { "passed" } else { "FAILED" },
            count(|l| l.compared),
            count(|l| l.definition.values().sum()),
            count(|l| l.none),
            self.seed
        )
    }
}
