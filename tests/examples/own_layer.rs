//! An own layer with its own WGSL, in a network that recipes write down: Swish with a slope a channel that is trained,
//! `x sigmoid(beta x)` (Ramachandran et al. 2017). The program is `onebit` with that layer in it:
//!
//!     cargo run --release --example own_layer -- train mine.toml

use onebit::device::{Device, Store};
use onebit::error::{Error, Result};
use onebit::gpu::{GpuDevice, GpuOptions, adapters};
use onebit::graph::{EPS, Graph, Init, Meta, Role, Value};
use onebit::nn::{Builder, LAYERS, Mode, NetSpec, OwnLayer};
use onebit::program::Options;
use onebit::verify::{CaseSpec, check_gradient, compare};

onebit::pointwise! {
    /// `x sigmoid(x)`.
    Swish {} "swish" (x) => x / (1.0 + (-x).exp());
    reference x / (1.0 + (-x).exp());
    wgsl "fn swish(x: f32) -> f32 { return x / (1.0 + exp(-x)); }";
    // WGSL's exponential may be off by 3 + 2|x| units, the rest adds four roundings.
    bound |x, y| (20.0 + 4.0 * x[0].abs()) * EPS * (y.abs() + EPS);
    // s + x s (1 - s), with s = sigmoid(x)
    grad |_me, g, x, _y, dy| {
        let s = g.sigmoid(x[0])?;
        let rest = g.scale(s, -1.0)?;
        let rest = g.offset(rest, 1.0)?;
        let bend = g.mul(x[0], rest)?;
        let slope = g.offset(bend, 1.0)?;
        let slope = g.mul(s, slope)?;
        Ok(vec![Some(g.mul(slope, dy)?)])
    }
}

/// The layer.
#[derive(Debug)]
pub struct LearnedSwish;

/// It, for as long as the program runs.
pub static LAYER: &LearnedSwish = &LearnedSwish;

impl OwnLayer for LearnedSwish {
    fn name(&self) -> &'static str {
        "swish"
    }

    fn check(&self, settings: &toml::Table) -> Result<()> {
        match settings.iter().find(|(key, value)| *key != "start" || !value.is_float()) {
            None => Ok(()),
            Some((key, value)) => Err(Error::Config(format!("{key} = {value}: swish takes start, a number"))),
        }
    }

    /// `swish(beta x) / beta`
    fn build(&self, b: &mut Builder<'_>, name: &str, x: Value, settings: &toml::Table) -> Result<Value> {
        let start = settings.get("start").and_then(toml::Value::as_float).unwrap_or(1.0) as f32;
        let c = b.channels(x);
        b.scoped(name, |b| {
            let beta = b.param("beta", [c], Init::Constant(start), Role::Other)?;
            let scaled = b.g.mul(x, beta)?;
            let y = b.g.apply1(Swish {}, &[scaled])?;
            b.g.div(y, beta)
        })
    }
}

/// A network that has it.
const NETWORK: &str = r#"
layer = [
    { op = "conv", width = 8 },
    { op = "batch-norm" },
    { op = "swish", name = "bend", start = 1.5 },
    { op = "binary-conv", width = "2*c", stride = 2 },
    { op = "batch-norm" },
    { op = "global-avg-pool" },
    { op = "classifier" },
]"#;

/// What the tests run: the layer is in a network that is read from text, and equals its formula on every device.
pub fn check() -> Result<()> {
    let spec: NetSpec = toml::from_str(NETWORK).map_err(|e| Error::Config(e.to_string()))?;
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([2, 8, 8, 3]))?;
    spec.build(&mut g, x, 10, Mode::Train, None)?;
    assert!(g.params().iter().any(|p| g.name(*p) == "bend.beta"), "its parameter lies under its name");
    let wrong = NETWORK.replace("start = 1.5", "stop = 1.5");
    let e = toml::from_str::<NetSpec>(&wrong).expect_err("it has no such setting").to_string();
    assert!(e.contains("swish") && e.contains("stop"), "{e}");

    let swish = CaseSpec::new("swish", "random", |case| {
        let x = case.random([8, 40]);
        let y = case.graph.apply1(Swish {}, &[x])?;
        case.grad(y)
    });
    let case = swish.build(0);
    check_gradient(&case);
    let gpus = adapters();
    let opened = gpus.iter().filter(|a| a.usable.is_ok()).map(|a| GpuDevice::open(a, GpuOptions::default()));
    for device in [Ok(Device::Cpu)].into_iter().chain(opened.map(|d| d.map(Device::Gpu))) {
        let device = device?;
        let name = device.name();
        let mut store = Store::new(device);
        let nodes = compare(&mut store, case.graph.clone(), &case.leaves, &case.scalars, Options::default())?;
        assert!(nodes.iter().all(|n| !n.is_wrong()), "{name}");
    }
    Ok(())
}

/// `onebit`, with the layer in it.
pub fn main() -> std::process::ExitCode {
    LAYERS.add(LAYER).expect("there is no other of that name");
    if std::env::args().len() > 1 {
        return onebit::cli::main();
    }
    check().expect("the layer is right");
    std::process::ExitCode::SUCCESS
}
