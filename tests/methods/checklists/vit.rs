//! Vision transformers: their sizes, and a tiny one by hand (PyTorch's numbers in f64, of a specification).

use super::{devices, param, run};
use onebit::graph::{Graph, Meta, Role, Value};
use onebit::methods::smn::SmnSpec;
use onebit::nn::{Activation, Mode, NetKind, NetSpec};
use onebit::tensor::HostTensor;

/// `a sin(s + 0.7 k + 0.013 k²)`.
fn numbers(s: f64, a: f64, n: usize) -> Vec<f64> {
    (0..n).map(|k| k as f64).map(|k| a * (s + 0.7 * k + 0.013 * k * k).sin()).collect()
}

fn tensor(shape: &[usize], numbers: &[f64]) -> HostTensor {
    HostTensor::from_f32(shape.to_vec(), numbers.iter().map(|x| *x as f32).collect())
}

/// PyTorch's `[o, i, h, w]` as ours `[o, h, w, i]`.
fn channels_last(x: &[f64], [o, i, h, w]: [usize; 4]) -> Vec<f64> {
    let at = |o: usize, y: usize, x: usize, c: usize| ((o * i + c) * h + y) * w + x;
    let all = (0..o).flat_map(|o| (0..h).flat_map(move |y| (0..w).map(move |x| (o, y, x))));
    all.flat_map(|(o, y, x)| (0..i).map(move |c| at(o, y, x, c))).map(|at| x[at]).collect()
}

#[test]
fn vit_01_parameters_and_products_are_those_published() {
    // With the layer of classes, without it, and products of a forward pass in millions.
    let known = [
        (NetKind::VitTi16, 1000, 5_717_416, 5_524_416, 1_254.0),
        (NetKind::VitS16, 1000, 22_050_664, 21_665_664, 4_599.0),
        (NetKind::VitB16, 1000, 86_567_656, 85_798_656, 17_560.0),
        (NetKind::VitB32, 1000, 88_224_232, 87_455_232, 4_409.0),
        // CLIP's last layer has no bias; of 512 classes it would have as many.
        (NetKind::ClipB32, 512, 87_849_216 + 512, 87_456_000, 4_409.0),
        (NetKind::ClipB16, 512, 86_192_640 + 512, 85_799_424, 17_560.0),
    ];
    for (kind, classes, with, without, macs) in known {
        let spec = NetSpec { activation: Some(Activation::QuickGelu), ..NetSpec::new(kind, false) };
        let count = |classes| spec.count([224, 224, 3], classes).unwrap();
        assert_eq!((count(classes).parameters(), count(0).parameters()), (with, without), "{kind:?}");
        let made = count(classes).real_macs as f64 / 1e6;
        assert!((made / macs - 1.0).abs() < 1e-3, "{kind:?}: {made} million products, {macs} published");
    }
    let unnamed = NetSpec::new(NetKind::ClipB32, false).count([224, 224, 3], 10).unwrap_err().to_string();
    assert!(unnamed.contains("net.activation") && unnamed.contains("quick-gelu"), "{unnamed}");
}

const TINY: &str = r#"
    layer = [
        { op = "conv", name = "patch", width = 8, kernel = 2, stride = 2, padding = 0 },
        { op = "class-token", name = "cls_token" },
        { op = "position", name = "pos_embed" },
        { op = "layer-norm", name = "norm_pre", eps = 1e-5 },
        { op = "residual", name = "", body = [
            { op = "layer-norm", name = "norm1", eps = 1e-5 },
            { op = "block", name = "attn", body = [
                { op = "conv", name = "q", width = 8, kernel = 1, bias = true },
                { op = "conv", name = "k", from = "in", width = 8, kernel = 1, bias = true },
                { op = "conv", name = "v", from = "in", width = 8, kernel = 1, bias = true },
                { op = "attention", from = "q", heads = 2, key = "k", value = "v" },
                { op = "conv", name = "out", width = 8, kernel = 1, bias = true },
            ] },
        ] },
        { op = "residual", name = "", body = [
            { op = "layer-norm", name = "norm2", eps = 1e-5 },
            { op = "conv", name = "fc1", width = 16, kernel = 1, bias = true },
            { op = "quick-gelu" },
            { op = "conv", name = "fc2", width = 8, kernel = 1, bias = true },
        ] },
        { op = "take-class-token" },
        { op = "layer-norm", name = "norm", eps = 1e-5 },
        { op = "classifier" },
    ]
"#;

/// The parameters of the tiny network by our names.
fn tiny() -> Vec<(&'static str, HostTensor)> {
    let qkv = numbers(9.0, 0.5, 24 * 8);
    let of_qkv = numbers(10.0, 0.1, 24);
    let of = |shape: &[usize], s: f64, a: f64| tensor(shape, &numbers(s, a, shape.iter().product()));
    let part = |i: usize| tensor(&[8, 1, 1, 8], &qkv[i * 64..][..64]);
    let offset = |i: usize| tensor(&[8], &of_qkv[i * 8..][..8]);
    let factor = |s: f64| tensor(&[8], &numbers(s, 0.2, 8).iter().map(|x| 1.0 + x).collect::<Vec<_>>());
    let projection = numbers(21.0, 0.5, 32);
    let turned: Vec<f64> = (0..32).map(|i| projection[i % 8 * 4 + i / 8]).collect();
    vec![
        ("patch.weight", tensor(&[8, 2, 2, 3], &channels_last(&numbers(2.0, 0.4, 96), [8, 3, 2, 2]))),
        ("cls_token", of(&[8], 3.0, 0.5)),
        ("pos_embed", of(&[5, 8], 4.0, 0.5)),
        ("norm_pre.weight", factor(5.0)),
        ("norm_pre.bias", of(&[8], 6.0, 0.1)),
        ("norm1.weight", factor(7.0)),
        ("norm1.bias", of(&[8], 8.0, 0.1)),
        ("attn.q.weight", part(0)),
        ("attn.k.weight", part(1)),
        ("attn.v.weight", part(2)),
        ("attn.q.bias", offset(0)),
        ("attn.k.bias", offset(1)),
        ("attn.v.bias", offset(2)),
        ("attn.out.weight", of(&[8, 1, 1, 8], 11.0, 0.5)),
        ("attn.out.bias", of(&[8], 12.0, 0.1)),
        ("norm2.weight", factor(13.0)),
        ("norm2.bias", of(&[8], 14.0, 0.1)),
        ("fc1.weight", of(&[16, 1, 1, 8], 15.0, 0.5)),
        ("fc1.bias", of(&[16], 16.0, 0.1)),
        ("fc2.weight", of(&[8, 1, 1, 16], 17.0, 0.4)),
        ("fc2.bias", of(&[8], 18.0, 0.1)),
        ("norm.weight", factor(19.0)),
        ("norm.bias", of(&[8], 20.0, 0.1)),
        ("fc.weight", tensor(&[4, 8], &turned)),
        ("fc.bias", tensor(&[4], &[0.0; 4])),
    ]
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn vit_02_a_tiny_clip_gives_the_numbers_of_its_definition() {
    let spec: NetSpec = toml::from_str(TINY).unwrap();
    let image = tensor(&[1, 4, 4, 3], &channels_last(&numbers(1.0, 1.0, 48), [1, 3, 4, 4]));
    let mut g = Graph::new();
    let x = param(&mut g, "image", [1, 4, 4, 3]);
    let y = spec.build(&mut g, x, 4, Mode::Train, None).unwrap();
    let loss = loss_of(&mut g, y);
    let parameters: Vec<Value> = g.params();
    let gradients = g.backward(loss, &parameters).unwrap();
    let named: Vec<(String, Value)> = parameters.iter().map(|p| g.name(*p).to_string()).zip(gradients).collect();
    named.into_iter().for_each(|(name, d)| g.output(name, d));
    g.output("y", y);
    g.output("loss", loss);
    let mut leaves = tiny();
    leaves.push(("image", image));
    // The norm of a gradient, and its first three numbers in PyTorch's order.
    let known: [(&str, f64, [f64; 3]); 13] = [
        ("cls_token", 4.083156, [0.733249, -1.606677, 1.743221]),
        ("pos_embed", 4.421871, [0.733249, -1.606677, 1.743221]),
        ("norm_pre.weight", 3.233129, [0.050441, 1.223465, -0.797166]),
        ("norm1.weight", 1.670028, [0.334531, -0.842146, -0.520552]),
        ("attn.q.weight", f64::NAN, [0.032376, 0.106493, 0.136198]),
        ("attn.q.bias", f64::NAN, [-0.085897, -0.132863, -0.066334]),
        ("attn.out.weight", 2.626639, [-0.617265, -0.049365, -0.308887]),
        ("norm2.weight", 2.534827, [-0.113014, -0.148032, -0.714282]),
        ("fc1.weight", 4.426191, [0.176144, 0.609243, 1.325401]),
        ("fc2.weight", 4.963296, [0.338468, 1.051682, -0.084573]),
        ("norm.weight", 2.454255, [-1.606989, 0.259147, -1.147247]),
        ("patch.weight", 4.130553, [-0.257787, f64::NAN, f64::NAN]),
        ("image", 1.448359, [0.033290, f64::NAN, f64::NAN]),
    ];
    let near = |a: f64, b: f64| b.is_nan() || (a - b).abs() < 2e-5 * b.abs().max(1.0);
    for (device_name, device) in devices() {
        let made = run(&device, &g, &leaves, &[]);
        let y = made["y"].f32s();
        for (y, expected) in y.iter().zip([-0.453100, -0.794054, -0.071848, 1.303163]) {
            assert!(near(f64::from(*y), expected), "{y} for {expected} on {device_name}");
        }
        assert!(near(f64::from(made["loss"].f32s()[0]), -4.293185));
        for (name, size, first) in known {
            let d = made[name].f32s();
            assert!(near(norm(d), size), "|d {name}| is {} on {device_name}, not {size}", norm(d));
            for (d, expected) in d.iter().zip(first) {
                assert!(near(f64::from(*d), expected), "d {name}: {d} for {expected} on {device_name}");
            }
        }
        // A key's bias adds one number to a whole row of scores.
        assert!(made["attn.k.bias"].f32s().iter().all(|d| d.abs() < 1e-5), "on {device_name}");
        let packed = ["q", "k", "v"].map(|part| norm(made[&format!("attn.{part}.weight")].f32s()).powi(2));
        assert!(near(packed.iter().sum::<f64>().sqrt(), 4.761044), "on {device_name}");
    }
}

/// `Σ y (1, -2, 3, -4)`.
fn loss_of(g: &mut Graph, y: Value) -> Value {
    let weights = g.constant(tensor(&[1, 4], &[1.0, -2.0, 3.0, -4.0]));
    let product = g.mul(y, weights).unwrap();
    let loss = g.sum(product, &[0, 1]).unwrap();
    g.reshape(loss, []).unwrap()
}

#[test]
fn vit_04_masks_are_of_projections_and_perceptrons_with_their_biases() {
    let base = NetSpec { activation: Some(Activation::QuickGelu), ..NetSpec::new(NetKind::ClipB32, false) };
    let spec = NetSpec { adapt: Some(SmnSpec::default().adaptation(&base)), ..base };
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([1, 224, 224, 3])).unwrap();
    let made = spec.network(&mut g, x, 0, Mode::Train, None).unwrap();
    let sizes = made.masks.iter().map(|m| g.shape(m.weight).elements());
    assert_eq!((made.masks.len(), sizes.sum::<usize>()), (144, 85_017_600));
    // Nothing else is trained.
    assert!(g.params().iter().all(|p| g.init(*p).is_some_and(|(_, role)| role == Role::Score)));
}

#[test]
fn vit_05_a_tiny_clip_under_masks_gives_the_numbers_of_its_definition() {
    let base: NetSpec = toml::from_str(TINY).unwrap();
    let spec = NetSpec { adapt: Some(SmnSpec::default().adaptation(&base)), ..base };
    let mut g = Graph::new();
    let x = g.input("image", Meta::f32([1, 4, 4, 3])).unwrap();
    let y = spec.build(&mut g, x, 4, Mode::Train, None).unwrap();
    let loss = loss_of(&mut g, y);
    let scores: Vec<Value> = g.params().into_iter().filter(|p| g.name(*p).ends_with(".scores")).collect();
    let gradients = g.backward(loss, &scores).unwrap();
    let named: Vec<(String, Value)> = scores.iter().map(|p| g.name(*p).to_string()).zip(gradients).collect();
    named.into_iter().for_each(|(name, d)| g.output(name, d));
    g.output("y", y);
    let image = tensor(&[1, 4, 4, 3], &channels_last(&numbers(1.0, 1.0, 48), [1, 3, 4, 4]));
    let all_scores: Vec<(String, HostTensor)> = scores
        .iter()
        .map(|p| {
            let name = g.name(*p).to_string();
            let off_at = match name.as_str() {
                "attn.k.weight.scores" => Some(3),
                "attn.v.weight.scores" => Some(7),
                name => name.ends_with(".weight.scores").then_some(5),
            };
            let score = |i: usize| if off_at.is_some_and(|n| i.is_multiple_of(n)) { -1.0 } else { 1.0 };
            (name, HostTensor::from_f32(g.shape(*p).clone(), (0..g.shape(*p).elements()).map(score).collect()))
        })
        .collect();
    let mut leaves = tiny();
    leaves.push(("image", image));
    leaves.extend(all_scores.iter().map(|(name, t)| (name.as_str(), t.clone())));
    // The norm of each gradient, and its first three numbers.
    let known: [(&str, f64, [f64; 3]); 6] = [
        ("attn.q.weight.scores", 0.692001, [-0.023096, 0.040878, 0.167463]),
        ("attn.k.weight.scores", 1.777426, [0.057697, 0.440294, 0.704721]),
        ("attn.v.weight.scores", 0.920531, [-0.109324, -0.131587, -0.158262]),
        ("attn.out.weight.scores", 0.770393, [0.002393, 0.192085, -0.016563]),
        ("fc1.weight.scores", 2.091717, [0.005121, 0.002698, 0.030305]),
        ("fc2.weight.scores", 1.543517, [-0.411067, -0.221048, 0.014090]),
    ];
    let near = |a: f64, b: f64| (a - b).abs() < 2e-5 * b.abs().max(1.0);
    for (device_name, device) in devices() {
        let made = run(&device, &g, &leaves, &[]);
        // With one share of active weights for packed queries, keys and values: -0.606108, -0.660762, ...
        for (y, expected) in made["y"].f32s().iter().zip([-0.596724, -0.677438, -0.148555, 1.025393]) {
            assert!(near(f64::from(*y), expected), "{y} for {expected} on {device_name}");
        }
        for (name, size, first) in known {
            let d = made[name].f32s();
            assert!(near(norm(d), size), "|d {name}| is {} on {device_name}, not {size}", norm(d));
            for (d, expected) in d.iter().zip(first) {
                assert!(near(f64::from(*d), expected), "d {name}: {d} for {expected} on {device_name}");
            }
        }
    }
}

/// Gradients with respect to effective weights of 1, 2, 3, 4 come of four pixels of signs that are orthogonal to each other.
#[test]
fn vit_06_weights_lose_their_mean_and_gradients_too() {
    let text = r#"
        layer = [{ op = "binary-conv", name = "b", width = 1, kernel = 1 }, { op = "flatten" }, { op = "classifier" }]
        binarization = { weights = "centred", scale = "channel", scale_in_gradient = false }
    "#;
    let spec: NetSpec = toml::from_str(text).unwrap();
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([1, 2, 2, 4])).unwrap();
    let net = spec.network(&mut g, x, 0, Mode::Train, None).unwrap();
    let of_pixels = g.constant(tensor(&[1, 4], &[2.5, -0.5, -1.0, 0.0]));
    let y = g.reshape(net.features, [1, 4]).unwrap();
    let product = g.mul(y, of_pixels).unwrap();
    let loss = g.sum(product, &[0, 1]).unwrap();
    let loss = g.reshape(loss, []).unwrap();
    let weights = g.find("b.weight").unwrap();
    let dw = g.backward(loss, &[weights]).unwrap()[0];
    g.output("dw", dw);
    g.output("bits", net.binary[0].bits.unwrap());
    g.output("y", y);
    let signs = [1., 1., 1., 1., 1., -1., 1., -1., 1., 1., -1., -1., 1., -1., -1., 1.].map(|s: f64| 0.5 * s);
    for (w, alpha, bits, expected) in [
        ([0.3, -0.1, 0.5, 0.1], 0.25, [1.0, 0.0, 1.0, 0.0], [-1.5, -0.5, 0.5, 1.5]),
        ([1.5, -0.2, -0.4, 0.1], 0.55, [1.0, 0.0, 0.0, 0.0], [-2.25, -0.25, 0.75, 1.75]),
    ] {
        let leaves = [("x", tensor(&[1, 2, 2, 4], &signs)), ("b.weight", tensor(&[1, 1, 1, 4], &w))];
        for (device_name, device) in devices() {
            let made = run(&device, &g, &leaves, &[]);
            assert_eq!(made["bits"].to_f64(), bits, "{device_name}");
            let near = |a: f32, b: f64| (f64::from(a) - b).abs() < 1e-5;
            let first: f64 = bits.iter().map(|b| alpha * (2.0 * b - 1.0)).sum();
            assert!(near(made["y"].f32s()[0], first), "{device_name}: {:?}", made["y"].f32s());
            assert!(
                made["dw"].f32s().iter().zip(expected).all(|(a, b)| near(*a, b)),
                "{device_name}: {:?}",
                made["dw"]
            );
        }
    }
}

#[test]
fn vit_03_layers_that_do_not_go_together_are_refused() {
    let build = |layers: &str| {
        let spec: NetSpec = toml::from_str(&format!("layer = [{layers}, {{ op = \"classifier\" }}]")).unwrap();
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([1, 4, 4, 6])).unwrap();
        spec.build(&mut g, x, 3, Mode::Train, None).map(drop).unwrap_err().to_string()
    };
    let cases = [
        (r#"{ op = "attention", heads = 4, key = "in", value = "in" }"#, "heads = 4, which does not divide 6"),
        (r#"{ op = "attention", heads = 2, key = "k", value = "in" }"#, "no layer before it is called `k`"),
        (
            r#"{ op = "conv", name = "k", width = 4 }, { op = "attention", from = "input", heads = 2, key = "k", value = "input" }"#,
            "one number of channels",
        ),
        (r#"{ op = "layer-norm", eps = 0 }"#, "eps = 0"),
        (r#"{ op = "drop-path", share = 1 }"#, "share = 1"),
    ];
    for (layers, what) in cases {
        let m = build(layers);
        assert!(m.contains(what), "{m}");
    }
}
