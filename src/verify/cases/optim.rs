//! Steps of optimisers, with and without a gate.

use crate::graph::{Init, Role};
use crate::optim::{ADDS, HOLDS, OptimSpec, Rule, accumulated, held};
use crate::tensor::HostTensor;
use crate::verify::{Case, CaseSpec};

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let rules = [
        Rule::Sgd { momentum: 0.0, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: true },
        Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
        Rule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 },
        Rule::Lars { momentum: 0.9, trust: 0.01, eps: 1e-8 },
        Rule::Larc { momentum: 0.9, trust: 0.02, eps: 1e-8, clip: true },
        // So much trust that the clip holds.
        Rule::Larc { momentum: 0.9, trust: 1.0, eps: 1e-8, clip: true },
    ];
    let mut all = Vec::new();
    for rule in rules {
        for (shape, flag) in [(&[1][..], None), (&[5, 33], Some(0.0)), (&[2, 3, 3, 64], Some(1.0))] {
            all.push(CaseSpec::new(rule.name(), format!("{rule:?} of {shape:?}, gate {flag:?}"), move |c| {
                let (p, d) = (c.random(shape), c.random(shape));
                let gate = flag.map(|f| c.input(HostTensor::from_f32([1], vec![f])));
                let spec = OptimSpec { other_weight_decay: 0.01, ..OptimSpec::new(rule) };
                spec.step(&mut c.graph, &[p], &[d], gate)?;
                given(c, &spec, 3);
                Ok(())
            }));
        }
    }
    // Of binary weights, of one that is 0, and of means on both sides of the threshold.
    for gate in [None, Some(0.0), Some(1.0)] {
        all.push(CaseSpec::new("bop", format!("binary weights, gate {gate:?}"), move |c| {
            let values = [0.4f32, -0.2, 0.0, -0.0, 1.0, -1.0, 1.0, -1.0];
            let p = c.graph.param("w", [8], Init::Zeros, Role::BinaryWeight)?;
            c.leaves.insert("w".into(), HostTensor::from_f32([8], values.to_vec()));
            let d = c.input(HostTensor::from_f32([8], vec![1.0, 1.0, -1.0, 3.0, 0.49, -0.51, 0.51, 0.0]));
            let gate = gate.map(|f| c.input(HostTensor::from_f32([1], vec![f])));
            let (gamma_end, gamma_every) = (None, None);
            let rule =
                Rule::Bop { gamma: 0.1, gamma_end, gamma_every, threshold: 0.05, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
            let spec = OptimSpec::new(rule);
            spec.step(&mut c.graph, &[p], &[d], gate)?;
            given(c, &spec, 0);
            Ok(())
        }));
    }
    // The first batch of a step, one within, and the last, which alone changes the parameter.
    for (adds, holds) in [(0.0, 1.0), (1.0, 1.0), (1.0, 0.0)] {
        all.push(CaseSpec::new("added_up", format!("adds {adds}, holds {holds}"), move |c| {
            let (p, d) = (c.random([5, 33]), c.random([5, 33]));
            let gate = c.input(HostTensor::from_f32([1], vec![0.0]));
            let mean = accumulated(&mut c.graph, 3, "sum.", &[p], &[d])?;
            let gate = held(&mut c.graph, 3, gate)?;
            let spec = OptimSpec::new(Rule::Sgd { momentum: 0.9, nesterov: false });
            spec.step(&mut c.graph, &[p], &mean, Some(gate))?;
            let sum = HostTensor::from_f32([5, 33], (0..5 * 33).map(|i| (i as f32 * 0.7).sin()).collect());
            let name = format!("sum.{}", c.graph.name(p));
            given_with(c, &[("lr", 0.1), (ADDS, adds), (HOLDS, holds)]);
            c.leaves.insert(name, sum);
            Ok(())
        }));
    }
    all.push(CaseSpec::new("gate", "by element, broadcast", move |c| {
        let (made, old) = (c.random([4, 33]), c.random([33]));
        let flag = c.bits([4, 33]);
        let y = c.graph.gate(flag, made, old)?;
        c.grad(y)
    }));
    all
}

/// The scalars of a step, and the state of an optimiser as a fresh store holds it: zeros.
fn given(c: &mut Case, spec: &OptimSpec, step: u64) {
    let known = spec.scalars(step, 0.1);
    given_with(c, &known.iter().map(|(name, value)| (name.as_str(), *value)).collect::<Vec<_>>());
}

/// Scalars by name, and zeros as state.
fn given_with(c: &mut Case, known: &[(&str, f32)]) {
    let value = |n: &String| known.iter().find(|(k, _)| k == n).expect("a scalar of the optimiser").1;
    c.scalars = c.graph.scalars().iter().map(value).collect();
    for v in c.graph.states() {
        let zeros = HostTensor::zeros(c.graph.shape(v).clone(), c.graph.dtype(v));
        c.leaves.insert(c.graph.name(v).to_string(), zeros);
    }
}
