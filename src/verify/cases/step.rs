//! Whole training steps of small networks: forward, loss, backward, update, running statistics. Here
//! ops meet as they do in training, fused and in shared memory.

use crate::nn::{Activation, Mode, NetKind, NetSpec, Scale, Shortcut, Skip, SteKind, Stem};
use crate::optim::{OptimSpec, Rule};
use crate::tensor::DType;
use crate::verify::CaseSpec;

const SGD: Rule = Rule::Sgd { momentum: 0.9, nesterov: true };
const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
const LARS: Rule = Rule::Lars { momentum: 0.9, trust: 0.001, eps: 1e-8 };

/// A training step of a network on two random images of `size` times `size` pixels in three channels, and ten classes.
pub fn step(name: &str, spec: NetSpec, size: usize, rule: Rule) -> CaseSpec {
    CaseSpec::new("training_step", name, move |case| {
        case.differentiable = false;
        let x = case.uniform([2, size, size, 3], -1.0, 1.0);
        let labels = case.integers([2], DType::U32, 10);
        let g = &mut case.graph;
        let logits = spec.build(g, x, 10, Mode::Train, None)?;
        let loss = g.cross_entropy(logits, labels, 0.1)?;
        g.output("loss", loss);
        let params: Vec<_> = g.params().into_iter().filter(|p| *p != x).collect();
        let grads = g.backward(loss, &params)?;
        let optim = OptimSpec { weight_decay: 1e-4, ..OptimSpec::new(rule) };
        optim.step(g, &params, &grads, None)?;
        for leaf in g.params().into_iter().chain(g.states()) {
            case.leaves.entry(g.name(leaf).to_string()).or_insert_with(|| g.initial(leaf, 7));
        }
        let known = optim.scalars(3, 0.05);
        case.scalars = g
            .scalars()
            .iter()
            .map(|name| known.iter().find(|(n, _)| n == name).map_or(1.5, |(_, value)| *value))
            .collect();
        Ok(())
    })
}

/// What no built-in kind of network has.
const LAYERS: &str = r#"
binarization = { activation_ste = "approx-sign", scale = "channel" }
layer = [
    { op = "conv", width = 12, groups = 3, bias = true },
    { op = "batch-norm" },
    { op = "maxout" },
    { op = "dense", repeat = 2, body = [
        { op = "batch-norm", name = "bn" },
        { op = "binary-conv", width = 8, dilation = 2 },
        { op = "gate", of = "bn", body = [
            { op = "global-avg-pool" },
            { op = "linear", width = "c/4" },
            { op = "relu" },
            { op = "linear", width = "gated", bias = false },
            { op = "sigmoid" },
        ] },
    ] },
    { op = "batch-norm", affine = false },
    { op = "leaky-relu", slope = 0.1 },
    { op = "blur-pool" },
    { op = "branches", branch = [
        [{ op = "binary-conv", width = "c", groups = 2 }, { op = "batch-norm" }],
        [{ op = "conv", width = "c", groups = "c", kernel = 5 }, { op = "gelu" }],
    ], join = "add" },
    { op = "residual", body = [
        { op = "tanh" },
        { op = "conv", width = "c + 3", kernel = 1, stride = 2 },
    ], shortcut = [{ op = "subsample", stride = 2 }, { op = "pad-channels", width = "in + 3", side = "behind" }] },
    { op = "flatten" },
    { op = "classifier" },
]
"#;

/// A network as the text of its table.
fn layers(text: &str) -> NetSpec {
    toml::from_str(text).expect("a network")
}

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let net = |kind, binary, widths: &[usize]| NetSpec { widths: widths.to_vec(), ..NetSpec::new(kind, binary) };
    let mut double = net(NetKind::Resnet20, true, &[8, 16, 32]);
    double.shortcut = Some(Shortcut::PooledFloat);
    double.activation = Some(Activation::Rprelu);
    double.binarization.rsign = true;
    double.binarization.activation_ste = SteKind::ApproxSign;
    let mut single = net(NetKind::Resnet18, true, &[16, 16, 32, 32]);
    single.skip = Some(Skip::Single);
    single.shortcut = Some(Shortcut::Binary);
    single.activation = Some(Activation::Hardtanh);
    single.binarization.activation_ste = SteKind::Ede;
    single.binarization.weight_ste = SteKind::Ede;
    single.binarization.scale = Scale::Layer;
    let mut stem = net(NetKind::Resnet18, false, &[8, 8, 12, 16]);
    stem.stem = Some(Stem::Imagenet);
    stem.activation = Some(Activation::Prelu);
    let mut wide = net(NetKind::Wrn22, true, &[8, 8, 8, 16]);
    wide.shortcut = Some(Shortcut::OptionA);
    vec![
        step("convnet", net(NetKind::Convnet, false, &[8, 8, 16, 16]), 16, ADAM),
        step("perceptron", net(NetKind::Mlp, false, &[24, 16]), 4, ADAM),
        step("binary perceptron", net(NetKind::Mlp, true, &[40, 33]), 4, ADAM),
        step("binary convnet", net(NetKind::Convnet, true, &[8, 16, 32, 33]), 16, ADAM),
        step("resnet18, 7x7 stem, PReLU", stem, 32, SGD),
        step("resnet20", net(NetKind::Resnet20, false, &[4, 8, 8]), 8, LARS),
        step("binary resnet20, double skips, RSign, RPReLU, ApproxSign", double, 8, ADAM),
        step("binary resnet18, single skips, binary shortcuts, EDE", single, 8, SGD),
        step("binary wrn22, shortcut A", wide, 8, SGD),
        step("resnet50", net(NetKind::Resnet50, false, &[4, 4, 8, 8]), 8, SGD),
        step("layers: groups, taps apart, a gate, branches, a dense block, low passes", layers(LAYERS), 9, ADAM),
        step("binary vgg-small", net(NetKind::VggSmall, true, &[8, 8, 16, 16, 32]), 16, SGD),
    ]
}
