//! What a choice holds for.

use crate::graph::{Graph, LowerCx, Meta, Op};
use crate::launch::{Target, Variant};
use crate::program::{Program, Work};
use std::collections::HashMap;
use std::sync::Arc;

/// An op with its extents, and the ways to run it on a device.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name, which the choice is kept under.
    pub key: String,
    /// The op.
    pub op: Arc<dyn Op>,
    built_in: bool,
    /// Shapes and types of its inputs.
    pub inputs: Vec<Meta>,
    /// The ways, the rule's first.
    pub variants: Vec<Variant>,
    /// Operations of all nodes of the class.
    pub operations: f64,
}

/// The classes of all nodes of some programs that can be run in several ways; most work first.
pub fn classes<'a>(programs: impl IntoIterator<Item = &'a Program>, target: &Target) -> Vec<Class> {
    let mut all: Vec<Class> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    for program in programs {
        for step in &program.steps {
            let Work::Node { node, .. } = &step.work else { continue };
            let n = &program.graph.nodes()[*node];
            let metas = |vs: &[_]| vs.iter().map(|v| program.graph.meta(*v).clone()).collect::<Vec<Meta>>();
            let (inputs, outputs) = (metas(&n.inputs), metas(&n.outputs));
            let Some(variants) = n.op.variants(&LowerCx { inputs: &inputs, outputs: &outputs, target }) else {
                continue;
            };
            if variants.all.len() < 2 {
                continue;
            }
            let (operations, _) = n.op.operations(&inputs, &outputs);
            let at = *index.entry(variants.class.clone()).or_insert_with(|| {
                let (key, op, built_in, variants) = (variants.class, n.op.clone(), n.built_in, variants.all);
                all.push(Class { key, op, built_in, inputs, variants, operations: 0.0 });
                all.len() - 1
            });
            all[at].operations += operations;
        }
    }
    // As they came where they are equal, so that the same programs give the same order.
    all.sort_by(|a, b| b.operations.total_cmp(&a.operations));
    all
}

impl Class {
    /// The op alone, from inputs called `in0`, `in1`, … to outputs called `out0`, ….
    pub(super) fn graph(&self) -> crate::error::Result<Graph> {
        let mut g = Graph::new();
        let inputs = self.inputs.iter().enumerate().map(|(i, m)| g.input(&format!("in{i}"), m.clone()));
        let inputs = inputs.collect::<crate::error::Result<Vec<_>>>()?;
        for (i, v) in g.apply_shared(self.op.clone(), self.built_in, &inputs)?.into_iter().enumerate() {
            g.output(format!("out{i}"), v);
        }
        Ok(g)
    }
}
