//! Gradients against finite differences, all in f64.

use super::case::Case;
use super::reference::{of, run_reference};
use crate::tensor::RefTensor;
use std::collections::BTreeMap;

/// Central differences along random directions and single elements must equal the backward nodes.
/// Returns the largest relative difference.
///
/// # Panics
/// If the case has no gradients.
pub fn check_gradient(case: &Case) -> f64 {
    let graph = &case.graph;
    let leaves: BTreeMap<String, RefTensor> =
        case.leaves.iter().map(|(n, t)| (n.clone(), RefTensor::from(t))).collect();
    let scalars: Vec<f64> = case.scalars.iter().map(|s| *s as f64).collect();
    let output = |name: &str| {
        graph.outputs().iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("case {} has no {name}", case.op)).1
    };
    let loss = output("loss");
    let at = run_reference(graph, &leaves, &scalars);
    let mut worst: f64 = 0.0;
    let params = graph.params();
    assert!(!params.is_empty(), "{} {} has nothing to differentiate by", case.op, case.name);
    for v in params {
        let name = graph.name(v).to_string();
        let d = of(&at, output(&format!("d{name}"))).data.clone();
        let n = d.len();
        let norm = d.iter().map(|g| g * g).sum::<f64>().sqrt();
        // Up to six elements spread over the tensor.
        for k in (0..n).step_by(n.div_ceil(6).max(1)) {
            let h = 1e-5;
            let shifted = |by: f64| {
                let mut leaves = leaves.clone();
                leaves.get_mut(&name).expect("a leaf").data[k] += by;
                of(&run_reference(graph, &leaves, &scalars), loss).data[0]
            };
            let numeric = (shifted(h) - shifted(-h)) / (2.0 * h);
            let scale = d[k].abs().max(numeric.abs()).max(1e-2 * norm).max(1e-3);
            let wrong = (numeric - d[k]).abs() / scale;
            assert!(
                wrong < 1e-5,
                "{} {}: d loss / d {name}[{k}] is {} by the backward pass, {numeric} by differences",
                case.op,
                case.name,
                d[k]
            );
            worst = worst.max(wrong);
        }
    }
    worst
}
