//! Numbers that PyTorch 2 makes in f64 of the same small inputs: the reference, which everything
//! else is compared with, must agree to their printed digits.

use onebit::error::Result;
use onebit::graph::{Graph, Init, Meta, Role, Value};
use onebit::ops::norm::{BatchNormLeaves, BatchNormMode};
use onebit::tensor::{DType, HostTensor, RefTensor};
use onebit::verify::run_reference;
use std::collections::BTreeMap;

/// The input x `[6, 3]` of all comparisons.
fn x() -> Vec<f64> {
    (0..18)
        .map(|e| (e / 3, e % 3))
        .map(|(i, j)| f64::from(i * 7 % 11) / 4.0 - 1.0 + f64::from(j) * 0.5 + f64::from(i * j % 3) * 0.25)
        .collect()
}

/// Weights of the outputs, teacher logits, and second vectors, `[6, 3]`.
fn w() -> Vec<f64> {
    (0..18).map(|e| f64::from((e / 3 + 2 * (e % 3)) % 5) - 2.0).collect()
}

struct Check {
    graph: Graph,
    leaves: BTreeMap<String, RefTensor>,
}

impl Check {
    fn new() -> Self {
        Check { graph: Graph::new(), leaves: BTreeMap::new() }
    }

    fn param(&mut self, name: &str, shape: &[usize], data: Vec<f64>) -> Value {
        self.leaves.insert(name.to_string(), RefTensor::f32(shape, data));
        self.graph.param(name, shape, Init::Zeros, Role::Other).unwrap()
    }

    fn state(&mut self, name: &str, data: Vec<f64>) -> Value {
        let n = data.len();
        self.leaves.insert(name.to_string(), RefTensor::f32([n], data));
        self.graph.state(name, Meta::f32([n]), Init::Zeros).unwrap()
    }

    fn constant(&mut self, shape: &[usize], data: &[f64]) -> Value {
        self.graph.constant(HostTensor::from_f64(shape, DType::F32, data))
    }

    /// `Σ w y`.
    fn weighted(&mut self, y: Value) -> Value {
        let w = self.constant(&[6, 3], &w());
        let p = self.graph.mul(y, w).unwrap();
        let s = self.graph.sum(p, &[0, 1]).unwrap();
        self.graph.reshape(s, []).unwrap()
    }

    fn gradients(&mut self, loss: Value, of: &[Value]) -> Vec<Value> {
        self.graph.backward(loss, of).unwrap()
    }

    /// Everything in f64, with values that f32 holds exactly as they are.
    fn expect(&self, wanted: &[(&str, Value, &[f64])]) {
        let made = run_reference(&self.graph, &self.leaves, &[]);
        for (name, v, numbers) in wanted {
            let got = &made[v.index()].data;
            assert_eq!(got.len(), numbers.len(), "{name}");
            for (i, (g, n)) in got.iter().zip(*numbers).enumerate() {
                // Constants of the graph (eps, smoothing) are f32.
                assert!((g - n).abs() < 2e-7 * (1.0 + n.abs()), "{name}[{i}] is {g}, PyTorch has {n}");
            }
        }
    }
}

#[test]
fn batch_norm_trains_like_pytorch() {
    let mut c = Check::new();
    let x = c.param("x", &[6, 3], x());
    let leaves = BatchNormLeaves {
        gamma: c.param("gamma", &[3], vec![0.5, 1.0, 1.5]),
        beta: c.param("beta", &[3], vec![0.1, -0.2, 0.3]),
        running_mean: c.state("mean", vec![0.5, -0.5, 0.25]),
        running_var: c.state("var", vec![1.0, 2.0, 0.5]),
    };
    let y = c.graph.batch_norm(x, None, &leaves, BatchNormMode::Train { momentum: 0.1, gate: None }, 1e-5).unwrap();
    let loss = c.weighted(y);
    let d = c.gradients(loss, &[x, leaves.gamma, leaves.beta]);
    let next = |leaf: Value| c.graph.assigns().iter().find(|(l, _)| *l == leaf).unwrap().1;
    c.expect(&[
        (
            "y",
            y,
            &[
                -0.5965210679,
                -1.9723586489,
                -2.0676008663,
                0.4482605339,
                0.5297947378,
                1.692706392,
                -0.1487575242,
                -0.4085127822,
                -0.396353196,
                0.8960240776,
                1.1553330845,
                2.1105183096,
                0.2990060194,
                0.2170255644,
                1.2748944744,
                -0.2980120388,
                -0.7212819556,
                -0.8141651136,
            ],
        ),
        (
            "dx",
            d[0],
            &[
                -0.1536998122,
                -1.0402811852,
                0.4178413081,
                -0.8186771812,
                1.6794277696,
                -2.5068887941,
                0.4994811211,
                2.3797673649,
                -2.9246747789,
                -0.1654962479,
                -1.7066442451,
                1.2534132777,
                1.1526620544,
                -1.0063046498,
                2.089047486,
                -0.5142699342,
                -0.3059650545,
                1.6712615012,
            ],
        ),
        ("dgamma", d[1], &[6.0696835914, -2.81492256, -5.3851313823]),
        ("dbeta", d[2], &[-2.0, 0.0, 2.0]),
        ("running mean", next(leaves.running_mean), &[0.4666666667, -0.3583333333, 0.3666666667]),
        ("running variance", next(leaves.running_var), &[0.9841666667, 1.8766666667, 0.5466666667]),
    ]);
}

#[test]
fn layer_norm_like_pytorch() {
    let mut c = Check::new();
    let x = c.param("x", &[6, 3], x());
    let gamma = c.param("gamma", &[3], vec![0.5, 1.0, 1.5]);
    let beta = c.param("beta", &[3], vec![0.1, -0.2, 0.3]);
    let y = c.graph.layer_norm(x, gamma, beta, 1e-5).unwrap();
    let loss = c.weighted(y);
    let dx = c.gradients(loss, &[x])[0];
    c.expect(&[
        (
            "y",
            y,
            &[
                -0.5123540653,
                -0.2,
                2.137062196,
                -0.5123642709,
                -0.2,
                2.1370928127,
                -0.5943531717,
                0.2629021145,
                1.6887063435,
                -0.5123540653,
                -0.2,
                2.137062196,
                -0.5123642709,
                -0.2,
                2.1370928127,
                -0.5943531717,
                0.2629021145,
                1.6887063435,
            ],
        ),
        (
            "dx",
            dx,
            &[
                0.8161781748,
                -1.6329441743,
                0.8167659994,
                -1.496836009,
                2.9937808799,
                -1.4969448709,
                -0.7053610475,
                3.5268687189,
                -2.8215076714,
                1.8370989351,
                -3.6741243921,
                1.837025457,
                1.2247176556,
                -2.4494570836,
                1.224739428,
                0.4848226436,
                -2.424684552,
                1.9398619084,
            ],
        ),
    ]);
}

#[test]
fn cross_entropy_smooths_labels_like_pytorch() {
    let mut c = Check::new();
    let x = c.param("x", &[6, 3], x());
    let labels = c.graph.constant(HostTensor::from_u32([6], vec![0, 2, 1, 1, 0, 2]));
    let loss = c.graph.cross_entropy(x, labels, 0.1).unwrap();
    let dx = c.gradients(loss, &[x])[0];
    c.expect(&[
        ("loss", loss, &[1.1903412035]),
        (
            "dx",
            dx,
            &[
                -0.1245016017,
                0.0456437587,
                0.078857843,
                0.0163780523,
                0.0408778926,
                -0.0572559449,
                0.0175648969,
                -0.0927076498,
                0.0751427529,
                0.0254983983,
                -0.1043562413,
                0.078857843,
                -0.1336219477,
                0.0408778926,
                0.0927440551,
                0.0175648969,
                0.0572923502,
                -0.0748572471,
            ],
        ),
    ]);
}

#[test]
fn kl_divergence_has_a_temperature_like_pytorch() {
    let mut c = Check::new();
    let x = c.param("x", &[6, 3], x());
    let teacher = c.constant(&[6, 3], &w());
    let loss = c.graph.kl_divergence(teacher, x, 4.0, true).unwrap();
    let dx = c.gradients(loss, &[x])[0];
    c.expect(&[
        ("loss", loss, &[0.9262228189]),
        (
            "dx",
            dx,
            &[
                0.0708771742,
                0.0162720624,
                -0.0871492366,
                -0.0124153923,
                -0.1010420847,
                0.113457477,
                -0.0118987668,
                -0.0862131125,
                0.0981118793,
                -0.101049663,
                0.0811814355,
                0.0198682275,
                -0.1140540693,
                0.0797528735,
                0.0343011958,
                0.0583893936,
                0.0296724725,
                -0.0880618661,
            ],
        ),
    ]);
}

/// A function of x against numbers of its value (if given) and of the gradient of `Σ w y`.
fn activation(f: impl Fn(&mut Graph, Value) -> Result<Value>, wanted_y: Option<&[f64]>, wanted_dx: &[f64]) {
    let mut c = Check::new();
    let x = c.param("x", &[6, 3], x());
    let y = f(&mut c.graph, x).unwrap();
    let loss = c.weighted(y);
    let dx = c.gradients(loss, &[x])[0];
    c.expect(&[("y", y, wanted_y.unwrap_or(&[])), ("dx", dx, wanted_dx)][wanted_y.is_none() as usize..]);
}

#[test]
fn gelu_and_hardtanh_like_pytorch() {
    let y = [
        -0.1586552539,
        -0.1542687694,
        0.0,
        0.5800294857,
        1.3997891981,
        2.2224949365,
        -0.1003234186,
        0.5800294857,
        0.8413447461,
        1.3997891981,
        1.9544997361,
        2.4844758367,
        0.3457312306,
        1.1179377829,
        1.9544997361,
        -0.1542687694,
        0.3457312306,
        0.5800294857,
    ];
    let dx = [
        0.1666309412,
        0.0,
        1.0,
        -0.9992257217,
        1.1274691922,
        -2.118379488,
        0.0,
        1.9984514435,
        -1.0833154706,
        1.1274691922,
        -2.1704636022,
        0.0,
        1.7349902493,
        -1.1226615831,
        1.0852318011,
        -0.2650097507,
        0.0,
        1.9984514435,
    ];
    activation(Graph::gelu, Some(&y), &dx);
    // At both ends the gradient is 0.
    let dx = [0.0, 0.0, 2.0, -1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, -2.0, 0.0, 2.0];
    activation(Graph::hardtanh, None, &dx);
}

#[test]
fn prelu_has_slope_gradients_like_pytorch() {
    let mut c = Check::new();
    let x = c.param("x", &[6, 3], x());
    let slope = c.param("slope", &[3], vec![0.25, 0.1, -0.2]);
    let y = c.graph.prelu(x, slope).unwrap();
    let loss = c.weighted(y);
    let d = c.gradients(loss, &[x, slope]);
    let dx = [-0.5, 0.0, -0.4, -1.0, 1.0, -2.0, 0.0, 2.0, -1.0, 1.0, -2.0, 0.0, 2.0, -1.0, 1.0, -0.5, 0.0, 2.0];
    c.expect(&[("dx", d[0], &dx), ("dslope", d[1], &[3.0, 0.0, 0.0])]);
}

#[test]
fn cosine_similarity_like_pytorch() {
    let mut c = Check::new();
    let x = c.param("x", &[6, 3], x());
    let other = c.constant(&[6, 3], &w());
    let y = c.graph.cosine_similarity(x, other, 1e-8).unwrap();
    let loss = c.graph.sum(y, &[0, 1]).unwrap();
    let dx = c.gradients(loss, &[x])[0];
    c.expect(&[
        ("cosine", y, &[0.632455532, -0.5455447256, 0.1754116039, -0.316227766, 0.2963336297, 0.8574929257]),
        (
            "dx",
            dx,
            &[
                -0.1264911064,
                0.2529822128,
                0.632455532,
                -0.093521953,
                0.2493918746,
                -0.1350872654,
                0.0269864006,
                0.6206872137,
                -0.4587688101,
                0.1644384383,
                -0.2023857703,
                0.0632455532,
                0.3131759404,
                -0.233061165,
                0.067369243,
                -0.2824682579,
                -0.4035260827,
                0.0807052165,
            ],
        ),
    ]);
}
