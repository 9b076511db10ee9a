//! Baselines: ReCU, BiPer, Bop and AdaBin by their released formulas (the specification's golden numbers and checklist).

use super::{devices, distance, normal, run, weighted_sum};
use onebit::device::{Device, Store};
use onebit::graph::{Graph, Init, Role, Value};
use onebit::methods::supervised::Supervised;
use onebit::methods::{Method, Progress};
use onebit::nn::{
    Activation, Binarization, Builder, Filters, Mode, NetKind, NetSpec, Scale, SteKind, TAIL, WeightRule,
};
use onebit::optim::{OptimSpec, Rule};
use onebit::recipe::Recipe;
use onebit::tensor::{HostTensor, RefTensor, Windows};
use onebit::verify::run_reference;
use std::collections::{BTreeMap, HashMap};

fn recu() -> Binarization {
    Binarization {
        activation_ste: SteKind::ApproxSign,
        divide_by_deviation: true,
        weights: WeightRule::Rectified,
        scale: Scale::Learned,
        ..Default::default()
    }
}

fn adabin() -> Binarization {
    Binarization {
        activation_ste: SteKind::ApproxSign,
        weights: WeightRule::Adaptive,
        weight_ste: SteKind::Ede,
        scale: Scale::None,
        ..Default::default()
    }
}

/// One binary convolution of `x`, and what its builder knows of it.
struct Layer {
    g: Graph,
    x: Value,
    y: Value,
    built: onebit::nn::BinaryLayer,
}

fn layer(binarization: Binarization, x: [usize; 4], (o, k): (usize, usize), windows: Windows, mode: Mode) -> Layer {
    let spec = NetSpec { binarization, ..NetSpec::new(NetKind::Convnet, true) };
    let mut g = Graph::new();
    let x = g.param("x", x, Init::Zeros, Role::Other).unwrap();
    let mut b = Builder::new(&mut g, &spec, mode, None).unwrap();
    let filters = Filters { width: o, kernel: k, windows, bias: false };
    let made = b.binary_conv_by("l", x, filters, Role::BinaryWeight).unwrap();
    let y = b.unscaled(made).unwrap();
    let net = b.finish(y);
    let built = net.binary[0].clone();
    Layer { g, x, y, built }
}

/// `sum(v c)`.
fn weighted(g: &mut Graph, v: Value, c: &[f32]) -> Value {
    let c = g.constant(HostTensor::from_f32(g.shape(v).clone(), c.to_vec()));
    let product = g.mul(v, c).unwrap();
    let sum = g.sum(product, &(0..g.shape(v).len()).collect::<Vec<_>>()).unwrap();
    g.reshape(sum, []).unwrap()
}

fn scalars(g: &Graph, values: &[(&str, f32)]) -> Vec<f32> {
    scalars_of(g, &values.iter().map(|(name, value)| (name.to_string(), *value)).collect::<Vec<_>>())
}

fn scalars_of(g: &Graph, values: &[(String, f32)]) -> Vec<f32> {
    let of = |name: &String| values.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name}")).1;
    g.scalars().iter().map(of).collect()
}

fn near(what: &str, got: &[f32], expected: &[f64], by: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(expected) {
        assert!((f64::from(*g) - e).abs() <= by, "{what}: {got:?} instead of {expected:?}");
    }
}

fn filled(shape: impl Into<onebit::tensor::Shape>, x: &[f32]) -> HostTensor {
    HostTensor::from_f32(shape, x.to_vec())
}

#[test]
fn baselines_01_recu_weights() {
    let w = [0.5, -1.5, 0.25, -0.75, 0.1, 0.2, -0.9, 0.4];
    let upstream = [1.0, 2.0, -1.0, 0.5, -1.0, 1.0, 3.0, 2.0];
    let of_tau = |tau: f64| -(2.0 - 2.0 * tau).ln() as f32;
    let cases = [
        (0.85, [1.231594, -0.709093, -2.071342, 1.548840, -8.035820, 1.230750, 1.664962, 5.140107]),
        (0.7, [0.0, 0.0, 0.0, 0.0, -3.547357, 1.399631, 0.603310, 1.544416]),
    ];
    for (tau, expected) in cases {
        let mut l = layer(recu(), [1, 1, 1, 4], (2, 1), Windows::new(1, 0), Mode::Train);
        let signs = l.g.signed(l.built.bits.unwrap()).unwrap();
        let loss = weighted(&mut l.g, signs, &upstream);
        let d = l.g.backward(loss, &[l.built.weight.unwrap()]).unwrap()[0];
        l.g.output("d", d);
        l.g.output("signs", signs);
        let scalars = scalars(&l.g, &[(TAIL, of_tau(tau))]);
        for (name, device) in devices() {
            let made = run(&device, &l.g, &[("l.weight", filled([2, 1, 1, 4], &w))], &scalars);
            near(&format!("tau {tau} on {name}"), made["d"].f32s(), &expected, 2e-5);
            // The bits do not depend on tau.
            assert_eq!(made["signs"].f32s(), [1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0], "{name}");
        }
    }
}

#[test]
fn baselines_01_recu_activations() {
    let plain = Binarization { weights: WeightRule::Sign, scale: Scale::None, ..recu() };
    let x = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5];
    let mut l = layer(plain.clone(), [1, 1, 6, 1], (1, 1), Windows::new(1, 0), Mode::Train);
    let loss = weighted(&mut l.g, l.y, &[1.0, -1.0, 0.5, 2.0, 1.0, -0.5]);
    let d = l.g.backward(loss, &[l.x]).unwrap()[0];
    l.g.output("d", d);
    let leaves = [("x", filled([1, 1, 6, 1], &x)), ("l.weight", filled([1, 1, 1, 1], &[1.0]))];
    for (name, device) in devices() {
        let made = run(&device, &l.g, &leaves, &[]);
        let expected = [0.963237, -0.077904, -0.213103, 2.677215, 0.778537, -0.145807];
        near(&name, made["d"].f32s(), &expected, 5e-6);
    }
    // In evaluation the division is left out: nothing of it is in the graph.
    let eval = layer(plain, [1, 1, 6, 1], (1, 1), Windows::new(1, 0), Mode::Eval);
    assert!(eval.g.nodes().iter().all(|node| node.op.name() != "rsqrt"));
}

#[test]
fn baselines_04_recu_opens_over_the_epochs() {
    let recipe = Recipe::find("cifar10-resnet20-recu").unwrap().1;
    for (epoch, tail) in [(0, 1.203973), (150, 1.371536), (300, 1.638411), (450, 2.137232), (599, 3.875805)] {
        let progress = Progress::new(7 * epoch, 7, 7 * 600);
        let made = Supervised.scalar(&recipe, progress, TAIL).unwrap();
        assert!((f64::from(made) - tail).abs() < 1e-5, "epoch {epoch}: {made}");
    }
    // Of Laplace noise a share of 2 (1 - tau) has no gradient.
    let n = 64 * 576;
    let laplace = |i: usize| {
        let u = (i as f64 + 0.5) / n as f64 - 0.5;
        (-u.signum() * (1.0 - 2.0 * u.abs()).ln()) as f32
    };
    // Every filter is a sample of all of it.
    let w: Vec<f32> = (0..n).map(|i| laplace((i % 576) * 64 + i / 576)).collect();
    for tau in [0.85f64, 0.9, 0.99] {
        let mut l = layer(recu(), [1, 1, 1, 64], (64, 3), Windows::new(1, 1), Mode::Train);
        let signs = l.g.signed(l.built.bits.unwrap()).unwrap();
        // Behind the standardisation, where the mask is: its gradient is dense.
        let masked = l.g.nodes().iter().find(|node| node.op.name() == "minimum").unwrap().inputs[0];
        let sum = l.g.sum(signs, &[0, 1, 2, 3]).unwrap();
        let sum = l.g.reshape(sum, []).unwrap();
        let d = l.g.backward(sum, &[masked]).unwrap()[0];
        l.g.output("d", d);
        let scalars = scalars(&l.g, &[(TAIL, -(2.0 - 2.0 * tau).ln() as f32)]);
        let made = run(&Device::Cpu, &l.g, &[("l.weight", filled([64, 3, 3, 64], &w))], &scalars);
        let share = made["d"].f32s().iter().filter(|d| **d == 0.0).count() as f64 / n as f64;
        assert!((share - 2.0 * (1.0 - tau)).abs() < 0.01, "tau {tau}: {share}");
    }
}

const W6: [f32; 6] = [0.3, -0.2, 0.5, -0.1, 0.8, -0.6];
const G6: [f32; 6] = [1.0, -2.0, 0.5, 1.0, -1.0, 2.0];

/// The two values of the weights of a layer in a graph.
fn weights_of(l: &mut Layer) -> Value {
    let signs = l.g.signed(l.built.bits.unwrap()).unwrap();
    let o = l.g.shape(signs)[0];
    let [scale, centre] = [l.built.scale, l.built.centre].map(|v| l.g.reshape(v.unwrap(), [o, 1, 1, 1]).unwrap());
    let scaled = l.g.mul(signs, scale).unwrap();
    l.g.add(scaled, centre).unwrap()
}

#[test]
fn baselines_01_adabin_weights() {
    let cases = [
        ([0.1f32, 10.0], [1.149151, -2.240596, 0.807519, 0.828176, -0.427741, 1.383492]),
        ([2.0, 1.0], [1.097844, -0.766391, 0.013139, 1.060695, -0.274847, 0.369560]),
    ];
    for ([t, k], expected) in cases {
        let mut l = layer(adabin(), [1, 1, 1, 6], (1, 1), Windows::new(1, 0), Mode::Train);
        let w = weights_of(&mut l);
        let loss = weighted(&mut l.g, w, &G6);
        let d = l.g.backward(loss, &[l.built.weight.unwrap()]).unwrap()[0];
        l.g.output("d", d);
        l.g.output("w", w);
        let scalars = scalars(&l.g, &[("ede.t", t), ("ede.k", k)]);
        for (name, device) in devices() {
            let made = run(&device, &l.g, &[("l.weight", filled([1, 1, 1, 6], &W6))], &scalars);
            near(&name, made["w"].f32s(), &[0.583631, -0.350298, 0.583631, -0.350298, 0.583631, -0.350298], 2e-6);
            near(&format!("t {t} on {name}"), made["d"].f32s(), &expected, 5e-6);
            let sum: f64 = made["d"].to_f64().iter().sum();
            assert!((sum - 1.5).abs() < 1e-5, "{sum} on {name}");
        }
    }
}

#[test]
fn baselines_01_adabin_activations() {
    // Two weights are their own two values: the first channel's gradient is that of the sum, the second's is 0.
    let mut l = layer(adabin(), [1, 1, 5, 2], (1, 1), Windows::new(1, 0), Mode::Train);
    let loss = weighted(&mut l.g, l.y, &[1.0, 2.0, -1.0, 0.5, 3.0]);
    let [scale, centre] = ["l.alpha_a", "l.beta_a"].map(|name| l.g.find(name).unwrap());
    for (name, d) in ["dx", "da", "db"].into_iter().zip(l.g.backward(loss, &[l.x, scale, centre]).unwrap()) {
        l.g.output(name, d);
    }
    l.g.output("y", l.y);
    let x: Vec<f32> = [-1.2, -0.4, 0.1, 0.9, 1.7].into_iter().flat_map(|x| [x, 0.7]).collect();
    let leaves = [
        ("x", filled([1, 1, 5, 2], &x)),
        ("l.weight", filled([1, 1, 1, 2], &[1.0, 0.0])),
        ("l.alpha_a", filled([1], &[0.8])),
        ("l.beta_a", filled([1], &[0.3])),
    ];
    let scalars = scalars(&l.g, &[("ede.t", 1.0), ("ede.k", 1.0)]);
    for (name, device) in devices() {
        let made = run(&device, &l.g, &leaves, &scalars);
        near(&name, made["y"].f32s(), &[-0.56, -0.56, -0.56, 1.04, 1.04], 1e-6);
        let first: Vec<f32> = made["dx"].f32s().iter().step_by(2).copied().collect();
        near(&name, &first, &[0.0, 0.5, -1.5, 0.25, 0.0], 2e-6);
        near(&name, made["da"].f32s(), &[3.025], 5e-6);
        near(&name, made["db"].f32s(), &[5.15], 5e-6);
    }
}

#[test]
fn baselines_01_maxout() {
    let spec = NetSpec { activation: Some(Activation::Maxout), ..NetSpec::new(NetKind::Convnet, false) };
    let mut g = Graph::new();
    let x = g.param("x", [4, 1], Init::Zeros, Role::Other).unwrap();
    let mut b = Builder::new(&mut g, &spec, Mode::Train, None).unwrap();
    let y = b.activate("act", x).unwrap();
    let loss = weighted(&mut g, y, &[1.0, 2.0, 3.0, -1.0]);
    let slopes = ["act.positive", "act.negative"].map(|name| g.find(name).unwrap());
    g.output("y", y);
    for (name, d) in ["dx", "dp", "dq"].into_iter().zip(g.backward(loss, &[x, slopes[0], slopes[1]]).unwrap()) {
        g.output(name, d);
    }
    let leaves = [
        ("x", filled([4, 1], &[-2.0, -0.5, 0.0, 1.5])),
        ("act.positive", filled([1], &[1.5])),
        ("act.negative", filled([1], &[0.25])),
    ];
    for (name, device) in devices() {
        let made = run(&device, &g, &leaves, &[]);
        near(&name, made["y"].f32s(), &[-0.5, -0.125, 0.0, 2.25], 1e-6);
        let d = made["dx"].f32s();
        near(&name, &[d[0], d[1], d[3]], &[0.25, 0.5, -1.5], 1e-6);
        near(&name, made["dp"].f32s(), &[-1.5], 1e-6);
        near(&name, made["dq"].f32s(), &[-3.0], 1e-6);
    }
}

#[test]
fn baselines_08_biper_is_a_wave_of_the_weight() {
    let biper = |weights| Binarization { weights, ..recu() };
    let w = [0.03, -0.11, 0.2, -0.25, 0.0, 0.4];
    let expected = [16.506712, 23.540045, -6.536436, 5.673244, -20.0, -5.820001];
    let mut l = layer(biper(WeightRule::SquareWave), [1, 1, 1, 6], (1, 1), Windows::new(1, 0), Mode::Train);
    let signs = l.g.signed(l.built.bits.unwrap()).unwrap();
    let loss = weighted(&mut l.g, signs, &G6);
    let d = l.g.backward(loss, &[l.built.weight.unwrap()]).unwrap()[0];
    l.g.output("d", d);
    l.g.output("signs", signs);
    // The first step convolves with the sine itself.
    let mut first = layer(biper(WeightRule::Sine), [1, 1, 1, 6], (1, 1), Windows::new(1, 0), Mode::Train);
    let sine = first.built.weight.unwrap();
    let squares = first.g.square(sine).unwrap();
    let pull = first.g.mean_all(squares).unwrap();
    let d = first.g.backward(pull, &[first.g.find("l.weight").unwrap()]).unwrap()[0];
    for (name, v) in [("sine", sine), ("pull", pull), ("d", d)] {
        first.g.output(name, v);
    }
    let leaf = |w: &[f32]| [("l.weight", filled([1, 1, 1, 6], w))];
    for (name, device) in devices() {
        let made = run(&device, &l.g, &leaf(&w), &[]);
        assert_eq!(made["signs"].f32s(), [1.0, -1.0, -1.0, 1.0, 1.0, 1.0], "{name}");
        near(&name, made["d"].f32s(), &expected, 2e-4);
        // A whole period changes nothing, half of one the bit. (0 itself lies on a turn.)
        let period = std::f32::consts::PI / 10.0;
        for (by, sign) in [(period, 1.0), (period / 2.0, -1.0)] {
            let moved = run(&device, &l.g, &leaf(&w.map(|w| w + by)), &[]);
            for i in [0, 1, 2, 3, 5] {
                assert_eq!(moved["signs"].f32s()[i], sign * made["signs"].f32s()[i], "{i} moved by {by} on {name}");
            }
        }
        let made = run(&device, &first.g, &leaf(&w), &[]);
        near(&name, made["sine"].f32s(), &[0.564642, -0.808496, -0.756802, 0.958924, 0.0, 0.989358], 2e-6);
        near(&name, made["pull"].f32s(), &[0.573934], 2e-6);
        near(&name, made["d"].f32s(), &[3.106797, 3.172007, 3.297861, 1.813404, 0.0, -0.959678], 2e-5);
    }
}

#[test]
fn baselines_09_bop_turns_weights() {
    let bop = |gamma: f32, threshold: f32, gamma_end, gamma_every| Rule::Bop {
        gamma,
        gamma_end,
        gamma_every,
        threshold,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
    };
    let spec = OptimSpec::new(bop(0.1, 0.05, None, None));
    let mut g = Graph::new();
    let w = g.param("w", [4], Init::Zeros, Role::BinaryWeight).unwrap();
    let real = g.param("real", [4], Init::Zeros, Role::Weight).unwrap();
    let d = g.param("d", [4], Init::Zeros, Role::Other).unwrap();
    let halted = g.param("halted", [1], Init::Zeros, Role::Other).unwrap();
    spec.step(&mut g, &[w, real], &[d, d], Some(halted)).unwrap();
    let scalars_at = |step| scalars_of(&g, &spec.scalars(step, 0.01));
    let steps = [
        ([1.0, 1.0, -1.0, -0.4], [0.1, 0.1, -0.1, -0.04], [-1.0, -1.0, 1.0, -1.0]),
        ([0.2, -1.0, -1.0, -0.4], [0.11, -0.01, -0.19, -0.076], [-1.0, -1.0, 1.0, 1.0]),
        ([-2.0, 1.0, 0.5, 0.5], [-0.101, 0.091, -0.121, -0.0184], [1.0, -1.0, 1.0, 1.0]),
    ];
    for (name, device) in devices() {
        let mut store = Store::new(device.clone());
        let mut exe = store.load(g.clone()).unwrap();
        store.write("w", &filled([4], &[1.0, -1.0, 1.0, -1.0])).unwrap();
        for (i, (gradient, mean, weights)) in steps.iter().enumerate() {
            store.write("d", &filled([4], gradient)).unwrap();
            // With the gate up nothing moves.
            let before = ["w", "optim.w.m"].map(|leaf| store.read(leaf).unwrap());
            store.write("halted", &filled([1], &[1.0])).unwrap();
            exe.run(&scalars_at(i as u64)).unwrap();
            assert!(before == ["w", "optim.w.m"].map(|leaf| store.read(leaf).unwrap()), "{name}");
            store.write("halted", &filled([1], &[0.0])).unwrap();
            exe.run(&scalars_at(i as u64)).unwrap();
            near(&name, store.read("optim.w.m").unwrap().f32s(), mean, 1e-7);
            assert_eq!(store.read("w").unwrap().f32s(), weights, "{name}, step {i}");
        }
        assert!(store.read("real").unwrap().f32s().iter().all(|x| *x != 0.0), "others take Adam's steps on {name}");
    }
    // Gamma is a matter of the step: down to a tenth every hundred epochs, or linearly.
    let every = bop(1e-4, 1e-8, None, Some(100));
    for (epoch, gamma) in [(0, 1e-4), (99, 1e-4), (100, 1e-5), (499, 1e-8)] {
        assert!((f64::from(every.gamma(0.0, epoch).unwrap()) / gamma - 1.0).abs() < 1e-5, "epoch {epoch}");
    }
    let linear = bop(1e-4, 1e-8, Some(1e-6), None);
    assert!((f64::from(linear.gamma(0.5, 0).unwrap()) / 5.05e-5 - 1.0).abs() < 1e-5);
    // A decay of what is -1 or +1 is an error.
    let recipe = Recipe::find("small-bop").unwrap().1;
    let m = recipe.with(&["optimiser.binary_weight_decay=1e-4".into()]).unwrap_err().to_string();
    assert!(m.contains("binary_weight_decay") && m.contains("bop"), "{m}");
    let m = recipe.with(&["net.binarization.weights=standardised".into()]).unwrap_err().to_string();
    assert!(m.contains("bop") && m.contains("sign"), "{m}");
}

/// The convolution of the golden numbers, which no mean and deviation of nine weights give: stored bits.
#[test]
fn baselines_01_adabin_convolution() {
    let mut l = layer(adabin(), [1, 2, 2, 1], (1, 3), Windows::new(1, 1), Mode::Packed);
    l.g.output("y", l.y);
    let bits = [1, 0, 1, 1, 1, 0, 0, 1, 1];
    let leaves = [
        ("x", filled([1, 2, 2, 1], &[1.0, -1.0, 1.0, 1.0])),
        ("l.bits", HostTensor::from_words([1, 3, 3, 1], onebit::tensor::DType::Bits, bits.to_vec())),
        ("l.alpha_a", filled([1], &[0.8])),
        ("l.beta_a", filled([1], &[0.3])),
        ("l.alpha", filled([1], &[0.5])),
        ("l.beta", filled([1], &[0.1])),
    ];
    for (name, device) in devices() {
        let made = run(&device, &l.g, &leaves, &[]);
        near(&name, made["y"].f32s(), &[2.096, 0.496, -0.544, 2.096], 1e-6);
    }
}

/// By popcounts, in training, what the values themselves give in f64, and their gradients; as floats, in evaluation, too.
#[test]
fn baselines_06_adabin_by_popcounts_is_the_convolution_of_its_values() {
    for (case, (c, h, w, k, stride)) in
        [(1, 5, 6, 3, 1), (3, 6, 6, 3, 2), (31, 7, 5, 3, 2), (33, 4, 4, 3, 1), (33, 5, 5, 1, 2)].into_iter().enumerate()
    {
        for alpha in [0.7f32, -0.6] {
            let windows = Windows::new(stride, k / 2);
            let (shape, of_weights) = ([2, h, w, c], [3, k, k, c]);
            let build = |mode| layer(adabin(), shape, (3, k), windows, mode);
            let mut l = build(Mode::Train);
            let (loss, _) = weighted_sum(&mut l.g, l.y, 4);
            let names = ["x", "l.weight", "l.alpha_a", "l.beta_a"];
            let wanted = names.map(|name| l.g.find(name).unwrap());
            let d = l.g.backward(loss, &wanted).unwrap();
            names.iter().zip(d).for_each(|(name, d)| l.g.output(format!("d {name}"), d));
            l.g.output("y", l.y);
            let x = normal(shape, case as u64);
            let weights = normal(of_weights, 50 + case as u64);
            let leaves = [
                ("x", x),
                ("l.weight", weights),
                ("l.alpha_a", filled([1], &[alpha])),
                ("l.beta_a", filled([1], &[0.2])),
            ];
            let expected = by_definition(&l.g, &leaves, windows, [1.5, 1.0]);
            let scalars = scalars(&l.g, &[("ede.t", 1.5), ("ede.k", 1.0)]);
            let mut eval = build(Mode::Eval);
            eval.g.output("y", eval.y);
            for (name, device) in devices() {
                let what =
                    |part: &str| format!("{part}, {c} channels, kernel {k}, stride {stride}, alpha {alpha} on {name}");
                let made = run(&device, &l.g, &leaves, &scalars);
                for (part, t) in &made {
                    let expected_part = &expected[part].data;
                    // The two numbers of a layer are sums over all of it, whose terms nearly cancel: each is at most three
                    // times the gradient of an activation (s + beta - h x, and alpha - h, h being at most 2).
                    if let ([got], [expected_part]) = (t.f32s(), &expected_part[..]) {
                        let terms: f64 = expected["terms"].data.iter().map(|d| 3.0 * d.abs()).sum();
                        assert!((f64::from(*got) - expected_part).abs() < 2e-6 * terms, "{}", what(part));
                        continue;
                    }
                    assert!(distance(t.to_f64(), expected_part) < 2e-6, "{}", what(part));
                }
                let made = run(&device, &eval.g, &leaves, &[]);
                assert!(distance(made["y"].to_f64(), &expected["y"].data) < 2e-6, "{}", what("evaluation"));
            }
        }
    }
}

/// Outputs and gradients by the definition, in f64: `conv(alpha_a (s + beta_a), alpha_o b + beta_o)`, and no popcounts.
fn by_definition(
    of: &Graph,
    leaves: &[(&str, HostTensor)],
    windows: Windows,
    ede: [f32; 2],
) -> HashMap<String, RefTensor> {
    use onebit::ops::pointwise::Ste;
    let mut g = Graph::new();
    let [x, w, scale, centre] = ["x", "l.weight", "l.alpha_a", "l.beta_a"].map(|name| {
        let t = &leaves.iter().find(|(n, _)| *n == name).unwrap().1;
        g.param(name, t.shape().clone(), Init::Zeros, Role::Other).unwrap()
    });
    let moved = g.sub(x, centre).unwrap();
    let normed = g.div(moved, scale).unwrap();
    let bits = g.sign(normed, Ste::ApproxSign).unwrap();
    let signs = g.signed(bits).unwrap();
    let shifted = g.add(signs, centre).unwrap();
    let image = g.mul(shifted, scale).unwrap();
    let o = g.shape(w)[0];
    let mean = g.mean(w, &[1, 2, 3]).unwrap();
    let mean = g.reshape(mean, [o, 1, 1, 1]).unwrap();
    let deviations = g.sub(w, mean).unwrap();
    let squares = g.mul(deviations, deviations).unwrap();
    let variance = g.mean(squares, &[1, 2, 3]).unwrap();
    let deviation = g.sqrt(variance).unwrap();
    let deviation = g.reshape(deviation, [o, 1, 1, 1]).unwrap();
    let normed = g.div(deviations, deviation).unwrap();
    let [t, k] = ["ede.t", "ede.k"].map(|name| g.scalar(name).unwrap());
    let bits = g.sign(normed, Ste::Ede { t, k }).unwrap();
    let signs = g.signed(bits).unwrap();
    let scaled = g.mul(signs, deviation).unwrap();
    let filters = g.add(scaled, mean).unwrap();
    let y = g.conv2d_by(image, filters, windows).unwrap();
    let (loss, _) = weighted_sum(&mut g, y, 4);
    let d = g.backward(loss, &[x, w, scale, centre, image]).unwrap();
    g.output("y", y);
    g.output("terms", d[4]);
    ["x", "l.weight", "l.alpha_a", "l.beta_a"].iter().zip(d).for_each(|(name, d)| g.output(format!("d {name}"), d));
    assert_eq!(of.outputs().len() + 1, g.outputs().len());
    let tensors: BTreeMap<String, RefTensor> =
        leaves.iter().map(|(name, t)| (name.to_string(), RefTensor::from(t))).collect();
    let made = run_reference(&g, &tensors, &ede.map(f64::from));
    g.outputs().iter().map(|(name, v)| (name.clone(), made[v.index()].clone())).collect()
}
