//! Gradients node by node against finite differences: a wrong one, and one that is missing, are named with their layer; those by
//! definition are told apart; those of all ops of the table are right.

use crate::ops::specs;
use onebit::error::{Error, Result};
use onebit::graph::{Graph, Init, Meta, Role, Value};
use onebit::nn::{Builder, LAYERS, Mode, NetSpec, OwnLayer};
use onebit::rng::Philox;
use onebit::tensor::{HostTensor, RefTensor};
use onebit::verify::{GradientReport, cases, check_node_gradients};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Once;

onebit::pointwise! {
    /// `x³`, with the gradient `slope x²`, which 3 makes right.
    Cube { slope: f32 } "cube" (x) => { let _ = slope; x * x * x };
    reference { let _ = slope; x * x * x };
    wgsl "fn cube(x: f32, slope: f32) -> f32 { return x * x * x; }";
    grad |me, g, x, _y, dy| {
        let square = g.square(x[0])?;
        let slope = g.scale(square, me.slope)?;
        Ok(vec![Some(g.mul(slope, dy)?)])
    }
}

onebit::pointwise! {
    /// `x` rounded, straight through.
    Round {} "round_through" (x) => x.round();
    reference x.round();
    wgsl "fn round_through(x: f32) -> f32 { return round(x); }";
    gradient Definition;
    grad |_me, g, _x, _y, dy| Ok(vec![Some(dy)])
}

onebit::pointwise! {
    /// `x / s`, whose gradient with respect to s is forgotten.
    Shrunk {} "shrunk" (x, s) => x / s;
    reference x / s;
    wgsl "fn shrunk(x: f32, s: f32) -> f32 { return x / s; }";
    grad |_me, g, x, _y, dy| Ok(vec![Some(g.div(dy, x[1])?), None])
}

onebit::pointwise! {
    /// `x - m` with m the detached mean of x, which the gradient of x takes along if `whole` is 1.
    Centred { whole: f32 } "centred" (x, m) => { let _ = whole; x - m };
    reference { let _ = whole; x - m };
    wgsl "fn centred(x: f32, m: f32, whole: f32) -> f32 { return x - m; }";
    gradient Detached;
    grad |me, g, _x, _y, dy| {
        let axes: Vec<usize> = (0..g.shape(dy).len() - 1).collect();
        let mean = g.mean(dy, &axes)?;
        let mean = g.scale(mean, me.whole)?;
        Ok(vec![Some(g.sub(dy, mean)?), Some(g.scale(dy, -1.0)?)])
    }
}

/// What the layer of these tests does.
#[derive(Debug)]
struct Tried;

impl OwnLayer for Tried {
    fn name(&self) -> &'static str {
        "tried"
    }

    fn check(&self, _settings: &toml::Table) -> Result<()> {
        Ok(())
    }

    fn build(&self, b: &mut Builder<'_>, name: &str, x: Value, settings: &toml::Table) -> Result<Value> {
        let number = |key: &str| settings.get(key).and_then(toml::Value::as_float).unwrap_or(0.0) as f32;
        let c = b.channels(x);
        b.scoped(name, |b| match settings["what"].as_str() {
            Some("cube") => b.g.apply1(Cube { slope: number("slope") }, &[x]),
            Some("round") => b.g.apply1(Round {}, &[x]),
            Some("shrunk") => {
                let s = b.param("s", [c], Init::Constant(2.0), Role::Other)?;
                let s = b.g.exp(s)?;
                let y = b.g.apply1(Shrunk {}, &[x, s])?;
                // Elsewhere s has a gradient: without any, the network is refused.
                b.g.mul(y, s)
            }
            _ => {
                let axes: Vec<usize> = (0..b.g.shape(x).len() - 1).collect();
                let mean = b.g.mean(x, &axes)?;
                let mean = b.g.detach(mean)?;
                b.g.apply1(Centred { whole: number("whole") }, &[x, mean])
            }
        })
    }
}

/// The gradients of a network that has the layer, as recipes write it down, between layers of bits.
fn checked(settings: &str) -> GradientReport {
    static ADDED: Once = Once::new();
    ADDED.call_once(|| LAYERS.add(&Tried).expect("there is no other of that name"));
    let layers = format!(
        "layer = [
            {{ op = 'conv', width = 4 }},
            {{ op = 'batch-norm' }},
            {{ op = 'tried', name = 'mine', {settings} }},
            {{ op = 'binary-conv', width = 6 }},
            {{ op = 'batch-norm' }},
            {{ op = 'global-avg-pool' }},
            {{ op = 'classifier' }},
        ]"
    );
    report(&layers).unwrap_or_else(|e| panic!("{settings}: {e}"))
}

fn report(layers: &str) -> Result<GradientReport> {
    let spec: NetSpec = toml::from_str(layers).map_err(|e| Error::Config(e.to_string()))?;
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([3, 6, 6, 2]))?;
    let labels = g.constant(HostTensor::from_u32([3], vec![0, 2, 1]));
    let logits = spec.build(&mut g, x, 3, Mode::Train, None)?;
    let loss = g.cross_entropy(logits, labels, 0.0)?;
    let params = g.params();
    g.backward(loss, &params)?;
    let random = Philox::new(5, 0);
    let content = |v: Value| {
        let shape = g.shape(v).clone();
        let stream = v.index() as u64;
        let numbers = (0..shape.elements()).map(|i| f64::from(random.normal(stream, i as u64)));
        (g.name(v).to_string(), RefTensor::f32(shape, numbers.collect()))
    };
    let leaves: BTreeMap<String, RefTensor> =
        [params, g.states(), g.inputs()].concat().into_iter().map(content).collect();
    let scalars = vec![0.5; g.scalars().len()];
    let mut report = GradientReport { recipe: "test".into(), ..GradientReport::default() };
    check_node_gradients(&g, &leaves, &scalars, |made, _| report.add("step", made))?;
    Ok(report)
}

/// The layer `mine` alone is wrong, in this op and input.
fn is_named(report: &GradientReport, op: &str, input: usize) {
    let wrong: Vec<_> = report.layers.iter().flat_map(|l| l.wrong.iter().map(move |w| (l.layer.as_str(), w))).collect();
    assert!(!report.passed() && wrong.len() == 1, "{report}");
    let (layer, found) = wrong[0];
    assert_eq!((layer, found.op.as_str(), found.input), ("mine", op, input), "{report}");
    let text = report.to_string();
    for part in ["WRONG in layer mine: ", op, &format!("input {input}"), "FAILED", "gradient_of"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn a_wrong_gradient_is_named_with_its_layer() {
    let right = checked("what = 'cube', slope = 3.0");
    assert!(right.passed(), "{right}");
    let wrong = checked("what = 'cube', slope = 2.0");
    is_named(&wrong, "cube", 0);
    let found = &wrong.layers.iter().find(|l| !l.wrong.is_empty()).expect("there is one").wrong[0];
    assert!((found.derived / found.numeric - 2.0 / 3.0).abs() < 1e-3, "{found:?}");
    // Only a little wrong.
    is_named(&checked("what = 'cube', slope = 3.01"), "cube", 0);
}

#[test]
fn a_gradient_that_is_missing_is_named() {
    is_named(&checked("what = 'shrunk'"), "shrunk", 1);
}

/// As that of a batch normalisation takes the way through the statistics along.
#[test]
fn a_gradient_that_takes_what_is_detached_along_is_held_against_the_whole() {
    let right = checked("what = 'centred', whole = 1.0");
    assert!(right.passed(), "{right}");
    is_named(&checked("what = 'centred', whole = 0.0"), "centred", 0);
}

#[test]
fn gradients_by_definition_are_told_apart() {
    let report = checked("what = 'round'");
    assert!(report.passed(), "{report}");
    let of = |layer: &str| report.layers.iter().find(|l| l.layer.contains(layer)).expect("the layer is listed");
    assert_eq!(of("mine").definition, [("round_through".to_string(), 1)].into(), "{report}");
    assert_eq!(of("mine").compared, 0, "{report}");
    let signs: usize = report.layers.iter().filter_map(|l| l.definition.get("sign")).sum();
    assert_eq!(signs, 2, "activations and weights: {report}");
    let compared: usize = report.layers.iter().map(|l| l.compared).sum();
    assert!(compared > 10 && report.to_string().contains("1 round_through"), "{report}");
    let json = serde_json::to_string(&report).expect("it is data");
    assert_eq!(serde_json::from_str::<GradientReport>(&json).expect("it is a report"), report);
}

/// No op of this crate gives another gradient than the derivative without saying so.
#[test]
fn nodes_of_all_cases_have_the_gradients_that_their_ops_say() {
    let counted = |spec: &onebit::verify::CaseSpec| {
        let case = spec.build(cases::SEED);
        let leaves = case.leaves.iter().map(|(n, t)| (n.clone(), RefTensor::from(t))).collect();
        let scalars: Vec<f64> = case.scalars.iter().map(|s| f64::from(*s)).collect();
        let mut report = GradientReport { recipe: spec.title(), ..GradientReport::default() };
        check_node_gradients(&case.graph, &leaves, &scalars, |made, _| report.add("case", made)).expect("it was built");
        assert!(report.passed(), "{report}");
        report.layers.iter().map(|l| l.compared).sum::<usize>()
    };
    let compared: usize = specs().par_iter().filter(|s| !s.large).map(counted).sum();
    assert!(std::env::var_os("ONEBIT_OP").is_some() || compared > 100, "{compared} nodes");
}
