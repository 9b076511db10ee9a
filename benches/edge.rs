//! The runtime of packed models: a binary ResNet-18 for 224-pixel images with random weights, whole and its 3x3
//! convolutions one by one, by one thread and by two.
//!
//!     cargo bench --bench edge
//!     cargo bench --bench edge -- --write DIR     also DIR/binary.1bit, DIR/binary.onnx and its float twin DIR/float.onnx
//!     cargo bench --bench edge -- --recipe NAME   the network of a recipe, built in or a file, instead, by one thread (`peer_larq.py`
//!                                                 asks for these); --images 32x32x3 --classes 10 where it is not for ImageNet

use onebit::data::AugmentSpec;
use onebit::deploy::{Net, Op, Runtime, file, onnx, pack};
use onebit::kernels::Isa;
use onebit::kernels::xnor::panel::Panel;
use onebit::methods::inference_graph;
use onebit::methods::{ImageInfo, Task};
use onebit::nn::{NetKind, NetSpec, Shortcut, Skip, Stem};
use onebit::recipe::Recipe;
use onebit::rng::Philox;
use onebit::tensor::bits::WeightCode;
use onebit::tensor::{Conv2dGeometry, DType, HostTensor};
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows, columns and channels.
const IMAGENET: [usize; 3] = [224, 224, 3];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    if let Some(name) = after("--recipe") {
        let images = after("--images").map_or(IMAGENET, |text| {
            let numbers: Vec<usize> = text.split('x').map(|n| n.parse().expect("a number")).collect();
            numbers.try_into().expect("HxWxC")
        });
        return one(name, images, after("--classes").map_or(1000, |n| n.parse().expect("a number")));
    }
    let binary = network(true);
    if let Some(folder) = after("--write") {
        let folder = Path::new(folder);
        std::fs::create_dir_all(folder).expect("a folder");
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).expect("written");
        write("binary.1bit", file::encode(&binary));
        write("binary.onnx", onnx::onnx(&binary).expect("fits"));
        write("float.onnx", onnx::onnx(&network(false)).expect("fits"));
    }
    let bytes = file::encode(&binary);
    let (bits, numbers) = binary.parameters().expect("fits");
    println!(
        "binary ResNet-18 at 224: {:.2} MB, as f32 {:.2} MB, {:.2} times",
        bytes.len() as f64 / 1e6,
        4.0 * (bits + numbers) as f64 / 1e6,
        4.0 * (bits + numbers) as f64 / bytes.len() as f64
    );
    let start = Instant::now();
    let net = file::decode(&bytes, Path::new("memory")).expect("reads back");
    let decoded = start.elapsed();
    let mut runtime = Runtime::new(&net, 1).expect("fits");
    let image: Vec<u8> = (0..224 * 224 * 3).map(|i| (i * i % 251) as u8).collect();
    let loaded = start.elapsed();
    black_box(runtime.run(&image).expect("an image of that size"));
    println!(
        "decoded {:.1} ms, loaded {:.1} ms, first prediction after {:.1} ms",
        ms(decoded),
        ms(loaded),
        ms(start.elapsed())
    );
    by_kind(&net, &image, &[1, 2]);
    if args.iter().any(|a| a == "--list") {
        for (name, time) in runtime.times(&image).expect("an image of that size") {
            println!("    {name}: {:.3} ms", ms(time));
        }
    }
    for isa in Isa::all() {
        for threads in [1, 2] {
            let mut runtime = Runtime::with_isa(&net, threads, isa).expect("fits");
            let (least, median) = timed(|| {
                black_box(runtime.run(&image).expect("an image of that size"));
            });
            println!("whole network, {isa:?}, {threads} threads: {:.2} ms (median {:.2})", ms(least), ms(median));
        }
    }
    convolutions();
}

fn picture(extents: [usize; 3]) -> Vec<u8> {
    (0..extents.iter().product()).map(|i| (i * i % 251) as u8).collect()
}

/// A recipe's network, by one thread and the instruction set that `ONEBIT_ISA` names.
fn one(name: &str, images: [usize; 3], classes: usize) {
    let (_, recipe) = Recipe::find(name).expect("a recipe");
    let (net, image) = (made(&recipe, images, classes), picture(images));
    let (bytes, isa) = (file::encode(&net).len(), Isa::chosen().expect("this machine has it"));
    let mut runtime = Runtime::with_isa(&net, 1, isa).expect("fits");
    let (least, median) = timed(|| {
        black_box(runtime.run(&image).expect("an image of that size"));
    });
    println!("{name}: {:.3} MB, {isa}: {:.3} ms (median {:.3})", bytes as f64 / 1e6, ms(least), ms(median));
    by_kind(&net, &image, &[1]);
}

/// The time of each kind of layer, by so many threads.
fn by_kind(net: &Net, image: &[u8], threads: &[usize]) {
    for &threads in threads {
        let mut runtime = Runtime::new(net, threads).expect("fits");
        let mut least: BTreeMap<&str, Duration> = BTreeMap::new();
        for _ in 0..50 {
            let mut by_kind: BTreeMap<&str, Duration> = BTreeMap::new();
            for (name, time) in runtime.times(image).expect("an image of that size") {
                *by_kind.entry(name).or_default() += time;
            }
            for (name, time) in by_kind {
                let known = least.entry(name).or_insert(time);
                *known = time.min(*known);
            }
        }
        let all: Vec<String> = least.iter().map(|(name, time)| format!("{name} {:.2}", ms(*time))).collect();
        println!("  ms by kind, {threads} threads: {}", all.join(", "));
    }
}

/// The 3x3 convolutions of the network one by one.
fn convolutions() {
    for (side, c) in [(56, 64), (28, 128), (14, 256), (7, 512)] {
        let g = Conv2dGeometry::new("bench", &[1, side, side, c], &[c, 3, 3, c], 1, 1, 1).expect("fits");
        let p = Philox::new(1, 0);
        let words = |n: usize, s: u64| (0..n).map(|i| p.word(s, i as u64)).collect::<Vec<u32>>();
        let (x, w) = (words(side * side * c / 32, 1), words(c * 9 * c / 32, 2));
        for isa in Isa::all() {
            let panel = Panel::new(&g, WeightCode::PlusMinus, &w, isa);
            let mut padded = panel.padded();
            panel.fill(&x, &mut padded);
            let mut y = vec![0u16; side * side * c];
            let (least, _) = timed(|| panel.rows(black_box(&padded), &mut y, 0..side * side));
            let rate = 2.0 * g.macs() as f64 / least.as_secs_f64() / 1e9;
            println!(
                "3x3 convolution of bits, {c} channels, {side}x{side}, {isa:?}, 1 thread: {:.4} ms, {rate:.0} Gop/s",
                ms(least)
            );
        }
    }
}

fn ms(d: Duration) -> f64 {
    1e3 * d.as_secs_f64()
}

/// The least and the median of many runs.
fn timed(mut f: impl FnMut()) -> (Duration, Duration) {
    let (start, mut all) = (Instant::now(), Vec::new());
    while all.len() < 10 || (start.elapsed() < Duration::from_secs(1) && all.len() < 20_000) {
        let t = Instant::now();
        f();
        all.push(t.elapsed());
    }
    all.sort_unstable();
    (all[0], all[all.len() / 2])
}

/// Binary or float, otherwise alike: one shortcut around two convolutions, 1x1 float convolutions where shapes change.
fn network(binary: bool) -> Net {
    let (_, recipe) = Recipe::find("fashion-binary").expect("built in");
    let spec = NetSpec {
        stem: Some(Stem::Imagenet),
        skip: Some(Skip::Single),
        shortcut: Some(Shortcut::Float),
        binarization: recipe.net.binarization.clone(),
        ..NetSpec::new(NetKind::Resnet18, binary)
    };
    let net = made(&Recipe { net: spec, augment: AugmentSpec::default(), ..recipe }, IMAGENET, 1000);
    assert_eq!(net.nodes.iter().any(|n| matches!(n.op, Op::BinaryConv(_))), binary);
    net
}

/// The network of a recipe, with random weights.
fn made(recipe: &Recipe, extents: [usize; 3], classes: usize) -> Net {
    let (mean, std) = (vec![0.5; extents[2]], vec![0.25; extents[2]]);
    let images = ImageInfo { extents, classes, mean, std, crops: false };
    let task = Task { recipe, images: &images, teacher: None, targets: None };
    let graph = inference_graph(&task, 1).expect("builds");
    let p = Philox::new(3, 0);
    let mut tensors = HashMap::new();
    for (stream, v) in graph.params().into_iter().chain(graph.states()).enumerate() {
        let (name, shape) = (graph.name(v).to_string(), graph.shape(v).clone());
        let n = shape.elements();
        let fan_in = n / shape[0].max(1);
        let t = match graph.dtype(v) {
            DType::Bits => {
                let words = (0..graph.meta(v).words()).map(|i| p.word(stream as u64, i as u64)).collect();
                HostTensor::from_words(shape, DType::Bits, words)
            }
            _ => {
                let normal = |i: usize| p.normal(stream as u64, i as u64);
                let value = |i: usize| match () {
                    _ if name.ends_with("running_var") => 1.0,
                    _ if name.ends_with("alpha") => 0.02,
                    _ if shape.len() == 1 => 0.1 * normal(i) + name.ends_with("weight") as u8 as f32,
                    _ => normal(i) * (2.0 / fan_in as f32).sqrt(),
                };
                HostTensor::from_f32(shape.clone(), (0..n).map(value).collect())
            }
        };
        tensors.insert(name, t);
    }
    pack::pack(&task, &tensors, &[]).expect("ships")
}
