//! The heavy ops in the shapes of the CIFAR networks, each as a program of its own.

use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Role, Value};
use crate::ops::conv::{Conv2dInputGrad, Conv2dWeightGrad, XnorConv2dInputGrad, XnorConv2dWeightGrad};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::tensor::bits::WeightCode;
use crate::tensor::{Conv2dGeometry, DType};

/// A graph whose time is measured.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Op and shape.
    pub name: String,
    /// What runs.
    pub graph: Graph,
}

/// Products `[m, k, n]`: a square one, and two convolutions as products.
const PRODUCTS: &[[usize; 3]] = &[[1024, 1024, 1024], [32768, 576, 64], [65536, 144, 16]];

/// Convolutions `[n, size, c, o, kernel, stride]`.
const CONVOLUTIONS: &[[usize; 6]] = &[
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
    // What kernels may not like: channels that fill no vector, windows of one pixel, images of a few.
    [32, 16, 30, 27, 3, 1],
    [32, 16, 128, 128, 1, 1],
    [32, 32, 64, 128, 1, 2],
    [64, 3, 64, 64, 3, 1],
];

/// Extents of what only memory bounds.
const PLANE: [usize; 4] = [128, 32, 32, 64];

struct List(Vec<Bench>);

impl List {
    fn add(&mut self, name: String, build: impl FnOnce(&mut Graph) -> Result<Value>) -> Result<()> {
        let mut graph = Graph::new();
        let y = build(&mut graph)?;
        graph.output("y", y);
        self.0.push(Bench { name, graph });
        Ok(())
    }

    fn product(&mut self, [m, k, n]: [usize; 3]) -> Result<()> {
        self.add(format!("matmul {m}x{k}x{n}"), |g| {
            let (a, b) = (numbers(g, "a", [m, k])?, numbers(g, "b", [k, n])?);
            g.matmul(a, b, false, false)
        })
    }

    fn convolution(&mut self, [n, size, c, o, k, stride]: [usize; 6]) -> Result<()> {
        let geometry = Conv2dGeometry::new("conv2d", &[n, size, size, c], &[o, k, k, c], stride, k / 2, 1)?;
        let label = format!("{n}x{size}x{size}x{c} to {o}, {k}x{k}, stride {stride}");
        let (x, w, y) = ([n, size, size, c], [o, k, k, c], [n, geometry.oh, geometry.ow, o]);
        self.add(format!("conv2d {label}"), |g| {
            let (x, w) = (numbers(g, "x", x)?, numbers(g, "w", w)?);
            g.conv2d(x, w, stride, k / 2, 1)
        })?;
        self.add(format!("conv2d_input_grad {label}"), |g| {
            let (y, w) = (numbers(g, "y", y)?, numbers(g, "w", w)?);
            g.apply1(Conv2dInputGrad { geometry }, &[y, w])
        })?;
        self.add(format!("conv2d_weight_grad {label}"), |g| {
            let (y, x) = (numbers(g, "y", y)?, numbers(g, "x", x)?);
            g.apply1(Conv2dWeightGrad { geometry }, &[y, x])
        })?;
        // No network has a binary layer on so few channels.
        if c < 16 {
            return Ok(());
        }
        let code = WeightCode::PlusMinus;
        self.add(format!("xnor_conv2d {label}"), |g| {
            let (x, w) = (bits(g, "x", x)?, bits(g, "w", w)?);
            g.xnor_conv2d(x, w, stride, k / 2, code)
        })?;
        self.add(format!("xnor_conv2d_input_grad {label}"), |g| {
            let (y, w) = (numbers(g, "y", y)?, bits(g, "w", w)?);
            g.apply1(XnorConv2dInputGrad { geometry, code }, &[y, w])
        })?;
        self.add(format!("xnor_conv2d_weight_grad {label}"), |g| {
            let (y, x) = (numbers(g, "y", y)?, bits(g, "x", x)?);
            g.apply1(XnorConv2dWeightGrad { geometry }, &[y, x])
        })
    }

    fn bound_by_memory(&mut self) -> Result<()> {
        self.add(format!("scale {PLANE:?}"), |g| {
            let x = numbers(g, "x", PLANE)?;
            g.scale(x, 2.0)
        })?;
        self.add(format!("batch_norm {PLANE:?}"), |g| {
            let x = numbers(g, "x", PLANE)?;
            let leaves = BatchNormLeaves {
                gamma: numbers(g, "gamma", [64])?,
                beta: numbers(g, "beta", [64])?,
                running_mean: g.state("mean", Meta::f32([64]), Init::Zeros)?,
                running_var: g.state("var", Meta::f32([64]), Init::Constant(1.0))?,
            };
            g.batch_norm(x, None, &leaves, BatchNormMode::Train { momentum: 0.1, gate: None }, 1e-5)
        })
    }
}

fn numbers<const N: usize>(g: &mut Graph, name: &str, shape: [usize; N]) -> Result<Value> {
    g.param(name, shape, Init::Zeros, Role::Other)
}

fn bits(g: &mut Graph, name: &str, shape: [usize; 4]) -> Result<Value> {
    g.input(name, Meta::new(shape, DType::Bits))
}

/// All of them.
pub fn benches() -> Result<Vec<Bench>> {
    let mut list = List(Vec::new());
    for &product in PRODUCTS {
        list.product(product)?;
    }
    for &convolution in CONVOLUTIONS {
        list.convolution(convolution)?;
    }
    list.bound_by_memory()?;
    Ok(list.0)
}
