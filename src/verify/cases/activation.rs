//! Activations, elementary functions, comparisons and casts.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::pointwise::Ste;
use crate::tensor::{DType, HostTensor};
use crate::verify::{Case, CaseSpec};

type Unary = fn(&mut Graph, Value) -> Result<Value>;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    let unary: [(&'static str, Unary); 11] = [
        ("relu", Graph::relu),
        ("hardtanh", Graph::hardtanh),
        ("sigmoid", Graph::sigmoid),
        ("tanh", Graph::tanh),
        ("gelu", Graph::gelu),
        ("quick_gelu", Graph::quick_gelu),
        ("sine_wave", Graph::sine_wave),
        ("exp", Graph::exp),
        ("square", Graph::square),
        ("abs", Graph::abs),
        ("leaky_relu", |g, x| g.leaky_relu(x, 0.1)),
    ];
    for (op, f) in unary {
        for shape in [&[1][..], &[3, 5], &[2, 3, 31], &[5, 64]] {
            all.push(CaseSpec::new(op, format!("{shape:?}"), move |c| {
                let x = c.random_scaled(shape, 2.0);
                let y = f(&mut c.graph, x)?;
                c.grad(y)
            }));
        }
        all.push(CaseSpec::new(op, "of what another op made", move |c| {
            let (a, b) = (c.random([4, 33]), c.random([33]));
            let x = c.graph.add(a, b)?;
            let y = f(&mut c.graph, x)?;
            c.grad(y)
        }));
    }
    for (op, f) in [
        ("sigmoid", Graph::sigmoid as Unary),
        ("tanh", Graph::tanh),
        ("gelu", Graph::gelu),
        ("quick_gelu", Graph::quick_gelu),
        ("sine_wave", Graph::sine_wave),
    ] {
        all.push(CaseSpec::new(op, "from -20 to 20, and near 0", move |c| {
            let near = (0..40).map(|i| (i as f32 - 20.0) * 0.02);
            let values = (0..401).map(|i| (i as f32 - 200.0) * 0.1).chain(near).collect();
            let x = c.leaf(HostTensor::from_f32([441], values));
            let y = f(&mut c.graph, x)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new(op, "differentiated twice", move |c| {
            let x = c.random([3, 7]);
            let y = f(&mut c.graph, x)?;
            twice(c, x, y)
        }));
    }
    for (op, f) in [("ln", Graph::ln as Unary), ("sqrt", Graph::sqrt), ("rsqrt", Graph::rsqrt)] {
        for (low, high) in [(0.5, 2.0), (0.05, 0.5), (10.0, 100.0)] {
            all.push(CaseSpec::new(op, format!("{low} to {high}"), move |c| {
                let x = c.uniform([5, 33], low, high);
                let y = f(&mut c.graph, x)?;
                c.grad(y)
            }));
        }
        all.push(CaseSpec::new(op, "differentiated twice", move |c| {
            let x = c.uniform([3, 7], 0.5, 2.0);
            let y = f(&mut c.graph, x)?;
            twice(c, x, y)
        }));
    }
    for channels in [1, 3, 32, 33] {
        all.push(CaseSpec::new("prelu", format!("a slope for each of {channels} channels"), move |c| {
            let (x, slope) = (c.random([5, 3, channels]), c.uniform([channels], -0.1, 0.5));
            let y = c.graph.prelu(x, slope)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new("rprelu", format!("{channels} channels"), move |c| {
            let x = c.random([150, channels]);
            let (a, b) = (c.random([channels]), c.random([channels]));
            let slope = c.uniform([channels], 0.1, 0.5);
            let y = c.graph.rprelu(x, a, slope, b)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new("rsign", format!("{channels} channels"), move |c| {
            let (x, threshold) = (c.random([5, 3, channels]), c.random([channels]));
            let bits = c.graph.rsign(x, threshold, Ste::ApproxSign)?;
            c.estimated_grad(bits)
        }));
    }
    all.push(CaseSpec::new("prelu", "one slope for all", move |c| {
        let (x, slope) = (c.random([4, 5, 6]), c.uniform([1], 0.1, 0.5));
        let y = c.graph.prelu(x, slope)?;
        c.grad(y)
    }));
    all.push(CaseSpec::new("prelu", "of integers", move |c| {
        let (x, slope) = (c.integers([140, 5], DType::I16, 9), c.uniform([5], 0.1, 0.5));
        let shift = c.graph.offset(x, -4.0)?;
        let y = c.graph.prelu(shift, slope)?;
        let direct = c.graph.prelu(x, slope)?;
        let y = c.graph.add(y, direct)?;
        c.grad(y)
    }));
    all.push(CaseSpec::new("prelu", "the gradient of the slope's gradient", move |c| {
        let (x, slope) = (c.random([4, 5]), c.input(HostTensor::from_f32([1], vec![0.25])));
        let y = c.graph.prelu(x, slope)?;
        let y = c.graph.square(y)?;
        let loss = c.graph.mean_all(y)?;
        let slope_grad = c.graph.backward(loss, &[slope])?[0];
        c.grad(slope_grad)
    }));
    compare_cases(&mut all);
    latent_cases(&mut all);
    all
}

fn compare_cases(all: &mut Vec<CaseSpec>) {
    type Binary = fn(&mut Graph, Value, Value) -> Result<Value>;
    for (op, f) in [("maximum", Graph::maximum as Binary), ("minimum", Graph::minimum)] {
        all.push(CaseSpec::new(op, "broadcast", move |c| {
            let (a, b) = (c.random([6, 5]), c.random([5]));
            let y = f(&mut c.graph, a, b)?;
            c.grad(y)
        }));
    }
    for (op, f) in
        [("equal", Graph::equal as Binary), ("greater", Graph::greater), ("greater_equal", Graph::greater_equal)]
    {
        all.push(CaseSpec::new(op, "integers with ties", move |c| {
            let (a, b) = (c.integers([7, 33], DType::U8, 3), c.integers([7, 33], DType::I16, 3));
            let y = f(&mut c.graph, a, b)?;
            c.keep(y)
        }));
    }
    all.push(CaseSpec::new("clamp", "both ends", move |c| {
        let x = c.random([6, 35]);
        let y = c.graph.clamp(x, -0.5, 0.75)?;
        c.grad(y)
    }));
    all.push(CaseSpec::new("clamp", "at its ends", |c| {
        let x = c.leaf(HostTensor::from_f32([5], vec![-0.75, -0.5, 0.0, 0.75, 1.0]));
        let y = c.graph.clamp(x, -0.5, 0.75)?;
        c.estimated_grad(y)
    }));
    all.push(CaseSpec::new("abs", "at zero", |c| {
        let x = c.leaf(HostTensor::from_f32([4], vec![-0.0, 0.0, 0.5, -0.5]));
        let y = c.graph.abs(x)?;
        c.estimated_grad(y)
    }));
    all.push(CaseSpec::new("select", "by bits", move |c| {
        let (condition, a, b) = (c.bits([6, 35]), c.random([6, 35]), c.random([35]));
        let y = c.graph.select(condition, a, b)?;
        c.grad(y)
    }));
    for flag in [0.0, 1.0] {
        all.push(CaseSpec::new("gate", format!("a new value that is not finite, flag {flag}"), move |c| {
            let values = vec![f32::NAN, 1.0, f32::INFINITY, -2.0, f32::NEG_INFINITY];
            let new = c.input(HostTensor::from_f32([5], values));
            let (flag, old) = (c.scalar(flag), c.random([5]));
            let y = c.graph.gate(flag, new, old)?;
            c.keep(y)
        }));
    }
    all.push(CaseSpec::new("finite_flag", "all kinds of numbers", move |c| {
        let values = vec![0.0, -0.0, 1.0, f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30];
        let x = c.input(HostTensor::from_f32([9], values));
        let y = c.graph.finite_flag(x)?;
        c.keep(y)
    }));
    for (dtype, below) in [(DType::U8, 256), (DType::I16, 30_000), (DType::U32, 1 << 24)] {
        all.push(CaseSpec::new("to_f32", format!("of {dtype}"), move |c| {
            let x = c.integers([5, 7], dtype, below);
            let y = c.graph.to_f32(x)?;
            c.keep(y)
        }));
    }
    for channels in [1, 32, 33] {
        all.push(CaseSpec::new("signed", format!("{channels} channels, through a sign"), move |c| {
            let x = c.random([5, channels]);
            let bits = c.graph.sign(x, Ste::ClippedIdentity)?;
            let y = c.graph.signed(bits)?;
            c.estimated_grad(y)
        }));
    }
}

/// What happens to latent weights besides gradient steps.
fn latent_cases(all: &mut Vec<CaseSpec>) {
    all.push(CaseSpec::new("stand_in", "the gradient of a moved parameter", |c| {
        let (w, moved) = (c.random([6, 5]), c.input(HostTensor::from_f32([6, 5], vec![0.5; 30])));
        let y = c.graph.stand_in(w, moved)?;
        let y = c.graph.square(y)?;
        c.estimated_grad(y)
    }));
    all.push(CaseSpec::new("square_wave", "both sides of every turn, and far out", |c| {
        let near = (0..80).flat_map(|i| [0.0, 0.25, 0.99].map(|more| (i - 40) as f32 + more));
        let far = [1e6f32, 1e6 + 1.0, -3e7, 1e30, -0.0].into_iter();
        let x = c.leaf(HostTensor::from_f32([245], near.chain(far).collect()));
        let y = c.graph.square_wave(x)?;
        // The gradient is that of the sine.
        c.estimated_grad(y)
    }));
    all.push(CaseSpec::new("clamp_magnitude", "both signs, 0, and at the ends", |c| {
        let own = c.random([6, 35]);
        let odd = c.input(HostTensor::from_f32([8], vec![-0.75, -0.25, -0.1, 0.0, -0.0, 0.1, 0.25, 0.75]));
        let low = c.input(HostTensor::from_f32([1], vec![0.25]));
        let high = c.input(HostTensor::from_f32([1], vec![0.75]));
        for x in [own, odd] {
            let y = c.graph.clamp_magnitude(x, low, high)?;
            c.keep(y)?;
        }
        Ok(())
    }));
    all.push(CaseSpec::new("nearest_power_of_two", "around its steps", |c| {
        let root = std::f32::consts::SQRT_2;
        let next = |x: f32| f32::from_bits(x.to_bits() + 1);
        let steps = [root, next(root), 0.8, 0.7, 0.5 * root, next(0.5 * root), 1.0, 2.0, 1e-3, 3e5, 1e30, 1e-30];
        let x = c.input(HostTensor::from_f32([12], steps.to_vec()));
        let y = c.graph.nearest_power_of_two(x)?;
        c.keep(y)?;
        let x = c.uniform([7, 33], 0.01, 9.0);
        let y = c.graph.nearest_power_of_two(x)?;
        c.keep(y)
    }));
    let ends = HostTensor::from_f32([7], vec![-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5]);
    for kept in [false, true] {
        let ends = ends.clone();
        all.push(CaseSpec::new("sign", format!("the ends left out, of a parameter: {kept}"), move |c| {
            let mut x = c.leaf(ends.clone());
            if !kept {
                x = c.graph.scale(x, 1.0)?;
            }
            let bits = c.graph.sign(x, Ste::ClippedOpen)?;
            let y = c.graph.signed(bits)?;
            c.estimated_grad(y)
        }));
    }
    all.push(CaseSpec::new("sign", "XNOR-Net's weights", move |c| {
        let w = c.random([4, 3, 3, 5]);
        let alpha = c.input(HostTensor::from_f32([4, 1, 1, 1], vec![0.5, 0.7, 0.9, 1.1]));
        let bits = c.graph.sign(w, Ste::XnorWeights { alpha, n: 45.0, c: 5.0 })?;
        let y = c.graph.signed(bits)?;
        c.estimated_grad(y)
    }));
}

/// Checks the gradient of the gradient of `y` with respect to `x`.
fn twice(c: &mut Case, x: Value, y: Value) -> Result<()> {
    let loss = c.graph.mean_all(y)?;
    let dx = c.graph.backward(loss, &[x])?[0];
    c.grad(dx)
}
