//! Runs a graph on the textbook reference, node by node, in f64.

use crate::graph::{Def, Graph, Leaf, Meta, Value};
use crate::tensor::{DType, RefTensor};
use std::collections::BTreeMap;

/// Every value of `graph`, from the content of its leaves by name and of its scalars by slot.
///
/// # Panics
/// If a leaf has no content.
pub fn run_reference(graph: &Graph, leaves: &BTreeMap<String, RefTensor>, scalars: &[f64]) -> Vec<RefTensor> {
    let mut values: Vec<Option<RefTensor>> = graph
        .values()
        .iter()
        .map(|info| match &info.def {
            Def::Leaf(Leaf::Const(t)) => Some(RefTensor::from(t.as_ref())),
            Def::Leaf(Leaf::Scalar(slot)) => Some(RefTensor::new([], DType::F32, vec![scalars[*slot]])),
            Def::Leaf(_) => {
                Some(leaves.get(&info.name).unwrap_or_else(|| panic!("no content for {}", info.name)).clone())
            }
            Def::Node { .. } => None,
        })
        .collect();
    for node in graph.nodes() {
        let inputs: Vec<&RefTensor> =
            node.inputs.iter().map(|v| values[v.index()].as_ref().expect("nodes stand in order")).collect();
        let metas: Vec<Meta> = node.outputs.iter().map(|v| graph.meta(*v).clone()).collect();
        let outputs = node.op.reference(&inputs, &metas);
        for (v, t) in node.outputs.iter().zip(outputs) {
            assert_eq!((&t.shape, t.dtype), (graph.shape(*v), graph.dtype(*v)), "{}", node.op.name());
            values[v.index()] = Some(t);
        }
    }
    values.into_iter().map(|v| v.expect("every value was made")).collect()
}

/// The content of a value.
pub fn of(values: &[RefTensor], v: Value) -> &RefTensor {
    &values[v.index()]
}
