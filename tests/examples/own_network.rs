//! An own network of the library's layers, trained on a GPU if there is one, on the images that come with the crate.
//!
//!     cargo run --release --example own_network

use onebit::data::{Dataset, Loader, LoaderOptions};
use onebit::device::{Device, Store};
use onebit::error::Result;
use onebit::gpu::{GpuDevice, GpuOptions, adapters};
use onebit::graph::{Graph, Meta, Value};
use onebit::nn::{Builder, Mode, NetKind, NetSpec, SteKind};
use onebit::optim::{OptimSpec, Rule};
use onebit::tensor::DType;

const BATCH: usize = 100;

/// Images `[n, 28, 28, 1]` to logits: a float layer, two binary ones with a shortcut around each, a linear layer.
fn network(g: &mut Graph, x: Value, mode: Mode) -> Result<Value> {
    // Inner layers are binary; the kind of network is nothing that layers ask for.
    let mut spec = NetSpec::new(NetKind::Convnet, true);
    spec.binarization.activation_ste = SteKind::ApproxSign;
    let mut b = Builder::new(g, &spec, mode, None)?;
    let y = b.conv("stem", x, 32, 3, 2)?;
    let mut x = b.batch_norm("stem_norm", y)?;
    for name in ["first", "second"] {
        x = b.scoped(name, |b| {
            let y = b.inner_conv("conv", x, 32, 3, 1)?;
            let y = b.batch_norm("norm", y)?;
            b.g.add(y, x)
        })?;
    }
    let x = b.g.global_avg_pool(x)?;
    let logits = b.head(x, 10)?;
    Ok(b.finish(logits).logits)
}

/// A graph with the logits and the labels of a batch.
fn classified(mean: &[f32], std: &[f32], mode: Mode) -> Result<(Graph, Value, Value)> {
    let mut g = Graph::new();
    let bytes = g.input("images", Meta::new([BATCH, 28 * 28], DType::U8))?;
    let labels = g.input("labels", Meta::new([BATCH], DType::U32))?;
    let x = g.image_to_f32(bytes, [28, 28, 1])?;
    let x = g.normalize(x, mean, std)?;
    let logits = network(&mut g, x, mode)?;
    Ok((g, logits, labels))
}

/// The program; the tests run it too.
pub fn main() -> Result<()> {
    let device = match adapters().iter().find(|a| a.usable.is_ok()) {
        Some(adapter) => Device::Gpu(GpuDevice::open(adapter, GpuOptions::default())?),
        None => Device::Cpu,
    };
    println!("on {}", device.name());
    let data = Dataset::embedded();
    let stats = data.normalization()?;

    let (mut g, logits, labels) = classified(&stats.mean, &stats.std, Mode::Train)?;
    let loss = g.cross_entropy(logits, labels, 0.0)?;
    g.output("loss", loss);
    let params = g.params();
    let gradients = g.backward(loss, &params)?;
    OptimSpec::new(Rule::Sgd { momentum: 0.9, nesterov: false }).step(&mut g, &params, &gradients, None)?;
    let mut store = Store::new(device);
    store.initialise(&g, 0)?;
    let mut step = store.load(g)?;

    // The test has the same parameters: those of that name in the store.
    let (mut g, logits, labels) = classified(&stats.mean, &stats.std, Mode::Eval)?;
    let right = g.correct_top_k(logits, labels, 1)?;
    g.output("right", right);
    let mut test = store.load(g)?;

    for (i, batch) in
        Loader::new(data.train.clone(), LoaderOptions::train(BATCH, 0, Default::default()))?.epoch(0).enumerate()
    {
        let batch = batch?;
        store.write("images", &batch.images[0])?;
        store.write("labels", batch.labels.as_ref().expect("the set has labels"))?;
        let learning_rate = [0.05];
        step.run(&learning_rate)?;
        if i % 10 == 0 {
            println!("step {i}: loss {:.3}", step.read("loss")?.f32s()[0]);
        }
    }
    let mut right = 0.0;
    for batch in Loader::new(data.test.clone(), LoaderOptions::eval(BATCH))?.epoch(0) {
        let batch = batch?;
        store.write("images", &batch.images[0])?;
        store.write("labels", batch.labels.as_ref().expect("the set has labels"))?;
        test.run(&[])?;
        right += test.read("right")?.f32s()[..batch.valid].iter().sum::<f32>();
    }
    let accuracy = right / data.test.len() as f32;
    println!("{:.1} % of the test images after one epoch", 100.0 * accuracy);
    assert!(accuracy > 0.3, "guessing gives 10 %");
    Ok(())
}
