//! Rates of the heavy ops, each as a program of one op, on any device.
//!
//!     cargo bench --bench ops -- [--device cpu|vulkan|gl|INDEX] [--seconds S] [NAME...]
//!
//! Prints milliseconds (least of n) and a rate. Products: G operations/s (a multiply-add is two), as a
//! share of the first matrix product's rate on the same device in the same run. Batch normalisation,
//! which memory bounds: GB/s, counting each tensor once for every pass that must read or write it, as a
//! share of the rate at which the device scales a tensor.

#[path = "shared/mod.rs"]
mod shared;

use onebit::device::Store;
use onebit::graph::{Graph, Init, Meta, Role};
use onebit::ops::conv::{Conv2dInputGrad, Conv2dWeightGrad, XnorConv2dInputGrad, XnorConv2dWeightGrad};
use onebit::ops::norm::{BatchNormLeaves, BatchNormMode};
use onebit::tensor::bits::WeightCode;
use onebit::tensor::{Conv2dGeometry, DType, HostTensor};
use shared::{Args, time};

struct Bench {
    name: String,
    graph: Graph,
    work: Work,
}

/// What a bench is measured in, in billions.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Operations(f64),
    Bytes(f64),
}

/// Convolutions of the CIFAR networks: `[n, size, c, o, k, stride]`.
const CONVS: &[[usize; 6]] = &[
    [64, 32, 16, 16, 3, 1],
    [64, 16, 32, 32, 3, 1],
    [64, 8, 64, 64, 3, 1],
    [64, 32, 16, 32, 3, 2],
    [32, 32, 64, 64, 3, 1],
    [32, 16, 128, 128, 3, 1],
    [32, 8, 256, 256, 3, 1],
    [32, 4, 512, 512, 3, 1],
    [32, 32, 64, 128, 3, 2],
    [32, 32, 3, 64, 3, 1],
];

fn benches() -> Vec<Bench> {
    let mut all = Vec::new();
    let mut add =
        |name: String, work: Work, build: &dyn Fn(&mut Graph) -> onebit::error::Result<onebit::graph::Value>| {
            let mut graph = Graph::new();
            let y = build(&mut graph).unwrap_or_else(|e| panic!("{name}: {e}"));
            graph.output("y", y);
            all.push(Bench { name, graph, work });
        };
    for (m, k, n) in [(1024, 1024, 1024), (32768, 576, 64), (65536, 144, 16)] {
        add(format!("matmul {m}x{k}x{n}"), Work::Operations(2e-9 * (m * k * n) as f64), &|g| {
            let a = g.param("a", [m, k], Init::Zeros, Role::Other)?;
            let b = g.param("b", [k, n], Init::Zeros, Role::Other)?;
            g.matmul(a, b, false, false)
        });
    }
    for &[n, size, c, o, k, stride] in CONVS {
        let geometry = Conv2dGeometry::new("bench", &[n, size, size, c], &[o, k, k, c], stride, k / 2, 1).unwrap();
        let work = Work::Operations(2e-9 * geometry.macs() as f64);
        let label = format!("{n}x{size}x{size}x{c} to {o}, stride {stride}");
        let (x, w) = ([n, size, size, c], [o, k, k, c]);
        let y = [n, geometry.oh, geometry.ow, o];
        add(format!("conv2d {label}"), work, &|g| {
            let (x, w) = (g.param("x", x, Init::Zeros, Role::Other)?, g.param("w", w, Init::Zeros, Role::Other)?);
            g.conv2d(x, w, stride, k / 2, 1)
        });
        add(format!("conv2d_input_grad {label}"), work, &|g| {
            let (y, w) = (g.param("y", y, Init::Zeros, Role::Other)?, g.param("w", w, Init::Zeros, Role::Other)?);
            g.apply1(Conv2dInputGrad { geometry }, &[y, w])
        });
        add(format!("conv2d_weight_grad {label}"), work, &|g| {
            let (y, x) = (g.param("y", y, Init::Zeros, Role::Other)?, g.param("x", x, Init::Zeros, Role::Other)?);
            g.apply1(Conv2dWeightGrad { geometry }, &[y, x])
        });
        if c < 16 {
            continue;
        }
        let bits = |g: &mut Graph, name: &str, shape: [usize; 4]| g.input(name, Meta::new(shape, DType::Bits));
        let code = WeightCode::PlusMinus;
        add(format!("xnor_conv2d {label}"), work, &|g| {
            let (x, w) = (bits(g, "x", x)?, bits(g, "w", w)?);
            g.xnor_conv2d(x, w, stride, k / 2, code)
        });
        add(format!("xnor_conv2d_input_grad {label}"), work, &|g| {
            let (y, w) = (g.param("y", y, Init::Zeros, Role::Other)?, bits(g, "w", w)?);
            g.apply1(XnorConv2dInputGrad { geometry, code }, &[y, w])
        });
        add(format!("xnor_conv2d_weight_grad {label}"), work, &|g| {
            let (y, x) = (g.param("y", y, Init::Zeros, Role::Other)?, bits(g, "x", x)?);
            g.apply1(XnorConv2dWeightGrad { geometry }, &[y, x])
        });
    }
    let shape = [128, 32, 32, 64];
    let gigabytes = 4e-9 * shape.iter().product::<usize>() as f64;
    add(format!("scale {shape:?}"), Work::Bytes(2.0 * gigabytes), &|g| {
        let x = g.param("x", shape, Init::Zeros, Role::Other)?;
        g.scale(x, 2.0)
    });
    // x for the statistics, then x and y.
    add(format!("batch_norm {shape:?}"), Work::Bytes(3.0 * gigabytes), &|g| {
        let x = g.param("x", shape, Init::Zeros, Role::Other)?;
        let leaves = BatchNormLeaves {
            gamma: g.param("gamma", [64], Init::Constant(1.0), Role::Other)?,
            beta: g.param("beta", [64], Init::Zeros, Role::Other)?,
            running_mean: g.state("mean", Meta::f32([64]), Init::Zeros)?,
            running_var: g.state("var", Meta::f32([64]), Init::Constant(1.0))?,
        };
        g.batch_norm(x, None, &leaves, BatchNormMode::Train { momentum: 0.1, gate: None }, 1e-5)
    });
    all
}

fn main() {
    let args = Args::parse();
    println!("{}", args.device.name());
    println!("{:60} {:>9} {:>9} {:>12}", "op", "ms", "rate", "share");
    // The first of each kind of work is what the others are compared with.
    let mut base: [Option<f64>; 2] = [None; 2];
    for bench in benches() {
        let kind = matches!(bench.work, Work::Bytes(_)) as usize;
        if base[kind].is_some() && !args.wants(&bench.name) {
            continue;
        }
        let mut store = Store::new(args.device.clone());
        let mut exe = store.load(bench.graph.clone()).unwrap_or_else(|e| panic!("{}: {e}", bench.name));
        for info in bench.graph.values() {
            if store.meta(&info.name).is_none() {
                continue;
            }
            let n = info.meta.words();
            // Small numbers of both signs; as bits, a mixed pattern.
            let words = (0..n as u32).map(|i| (i.wrapping_mul(0x9E37_79B9) & 0x807f_ffff) | 0x3f00_0000).collect();
            store
                .write(&info.name.clone(), &HostTensor::from_words(info.meta.shape.clone(), info.meta.dtype, words))
                .unwrap();
        }
        let ms = time(&args, || {
            exe.run(&[]).unwrap();
            args.device.wait().unwrap();
        });
        let (amount, unit) = match bench.work {
            Work::Operations(n) => (n, "Gop/s"),
            Work::Bytes(n) => (n, "GB/s"),
        };
        let rate = amount / ms * 1e3;
        let base = *base[kind].get_or_insert(rate);
        println!("{:60} {ms:9.3} {rate:9.2} {unit:5} {:6.2}", bench.name, rate / base);
    }
}
