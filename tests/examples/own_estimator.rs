//! An own straight-through estimator with its own WGSL: the derivative of the fast sigmoid `x / (1 + |x|)` stands in for that of
//! sign (SuperSpike: Zenke and Ganguli 2018). Recipes can name it, and every device is checked against its formula.
//!
//!     cargo run --release --example own_estimator

use onebit::device::{Device, Store};
use onebit::error::Result;
use onebit::gpu::{GpuDevice, GpuOptions, adapters};
use onebit::graph::{EPS, Graph, Value};
use onebit::methods::{Graphs, ImageInfo, Task};
use onebit::nn::ESTIMATORS;
use onebit::ops::pointwise::{Estimator, Ste};
use onebit::program::Options;
use onebit::recipe::Recipe;
use onebit::verify::{CaseSpec, compare};

onebit::pointwise! {
    /// `dy / (1 + slope |x|)²`.
    FastSigmoidGrad { slope: f32 } "fast_sigmoid_grad" (x, dy) => {
        let d = 1.0 + slope * x.abs();
        dy / (d * d)
    };
    reference dy / (1.0 + slope * x.abs()).powi(2);
    wgsl "fn fast_sigmoid_grad(x: f32, dy: f32, slope: f32) -> f32 {
        let d = 1.0 + slope * abs(x);
        return dy / (d * d);
    }";
    // Two roundings in d, which is squared, one in the square, five halves of an ulp in WGSL's division.
    bound |_x, y| 12.0 * EPS * y.abs() + f32::MIN_POSITIVE as f64;
    // An estimator is not differentiated with respect to x.
    grad |me, g, x, _y, ddx| Ok(vec![None, Some(g.apply1(me.clone(), &[x[0], ddx])?)])
}

#[derive(Debug)]
struct FastSigmoid;

impl Estimator for FastSigmoid {
    fn name(&self) -> &'static str {
        "fast-sigmoid"
    }

    fn grad(&self, g: &mut Graph, x: Value, dy: Value) -> Result<Value> {
        g.apply1(FastSigmoidGrad { slope: 1.0 }, &[x, dy])
    }
}

/// The CPU, and every GPU that can be used.
pub fn devices() -> Result<Vec<Device>> {
    let mut devices = vec![Device::Cpu];
    for adapter in adapters().iter().filter(|a| a.usable.is_ok()) {
        devices.push(Device::Gpu(GpuDevice::open(adapter, GpuOptions::default())?));
    }
    Ok(devices)
}

/// The program; the tests run it too.
pub fn main() -> Result<()> {
    // From here on recipes know it: the step of this one has it behind every sign of an activation.
    ESTIMATORS.add(&FastSigmoid)?;
    let (_, recipe) = Recipe::find("fashion-binary")?;
    let recipe = recipe.with(&["net.binarization.activation_ste=fast-sigmoid".into()])?;
    let images = ImageInfo { extents: [28, 28, 1], classes: 10, mean: vec![0.3], std: vec![0.3], crops: false };
    let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
    let Graphs { step, .. } = recipe.method().training(&task, recipe.batch)?;
    let is_own = |name: &str| name.contains("fast_sigmoid_grad");
    let count = step[0].1.nodes().iter().filter(|node| is_own(node.op.name())).count();
    assert_eq!(count, 4, "convolutions between the first and the last layer");

    // Signs of random numbers with a random loss, on the CPU and on every GPU, node by node against the formula in f64.
    let signs = CaseSpec::new("sign", "fast sigmoid", |case| {
        let x = case.random([8, 40]);
        let bits = case.graph.sign(x, Ste::Own(&FastSigmoid))?;
        let y = case.graph.signed(bits)?;
        case.estimated_grad(y)
    });
    let case = signs.build(0);
    for device in devices()? {
        let name = device.name();
        let mut store = Store::new(device);
        let nodes = compare(&mut store, case.graph.clone(), &case.leaves, &case.scalars, Options::default())?;
        let own = nodes.iter().find(|node| is_own(&node.step)).expect("the gradient is computed");
        assert!(nodes.iter().all(|node| !node.is_wrong()), "{name}: {nodes:?}");
        println!("{name}: {} is off by at most {:.2} of its bound", own.step, own.worst.fraction);
    }
    Ok(())
}
