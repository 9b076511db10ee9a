//! Networks as lists of layers: what is built passes the checks that the built-in kinds pass, and nothing that somebody
//! writes brings the program down.

use onebit::device::Device;
use onebit::graph::{Graph, Meta, Value};
use onebit::nn::{Mode, NetSpec};
use onebit::optim::Rule;
use onebit::recipe::{Recipe, built_in};
use onebit::rng::{Draws, Philox};
use onebit::verify::cases::step;
use onebit::verify::{CaseSpec, Report, Request};
use std::panic::catch_unwind;

const SGD: Rule = Rule::Sgd { momentum: 0.9, nesterov: false };

/// A network of a list, in a graph: what it is, or why it cannot be.
fn built(spec: &NetSpec, [h, w, c]: [usize; 3], classes: usize) -> Result<(String, usize), String> {
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([2, h, w, c])).unwrap();
    let network = spec.network(&mut g, x, classes, Mode::Train, None).map_err(|e| e.to_string())?;
    let leaves = g.params().into_iter().chain(g.states());
    let leaves: Vec<String> = leaves.map(|v| format!("{} {} {:?}", g.name(v), g.meta(v), g.init(v))).collect();
    let places = |values: &[Value]| values.iter().map(|v| v.index()).collect::<Vec<usize>>();
    let nodes = g.nodes().iter();
    let nodes: Vec<String> = nodes
        .map(|n| {
            format!(
                "{} {} {:?} {:?} {}",
                n.scope,
                n.op.name(),
                places(&n.inputs),
                places(&n.outputs),
                g.meta(n.outputs[0])
            )
        })
        .collect();
    let stages = places(&network.stages);
    let all = format!("{leaves:#?}{nodes:#?}{:?}{stages:?}{}", network.count, network.features.index());
    Ok((all, g.params().len()))
}

/// Of every built-in recipe: the list that its kind stands for, written as TOML and read again, is the same graph under the
/// same names.
#[test]
fn built_in_kinds_are_lists_of_layers() {
    let mut seen = 0;
    for (name, text) in built_in() {
        let Ok(recipe) = Recipe::parse(text, name.as_ref()) else { continue };
        let extents = if recipe.net.stem.is_some() || name.starts_with("imagenet") { [64, 64, 3] } else { [32, 32, 3] };
        let text = toml::to_string(&recipe.net.as_layers().unwrap()).unwrap();
        let list: NetSpec = toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        list.validate().unwrap();
        for classes in [0, 7] {
            let (own, parameters) = built(&recipe.net, extents, classes).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(parameters > 3);
            assert!(built(&list, extents, classes).unwrap().0 == own, "{name}\n{text}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

/// What is wrong is said in one sentence that names the layer.
#[test]
fn a_list_that_is_no_network_says_which_layer_is_wrong() {
    let end = r#", { op = "global-avg-pool" }, { op = "classifier" }"#;
    let read = |text: &str| -> Result<NetSpec, String> {
        let spec: NetSpec = toml::from_str(text).map_err(|e| e.message().to_string())?;
        spec.validate().map_err(|e| e.to_string())?;
        Ok(spec)
    };
    let error = |layers: &str| match read(&format!("layer = [{layers}]")) {
        Ok(spec) => built(&spec, [8, 8, 3], 10).expect_err(layers),
        Err(e) => e,
    };
    let long = format!("{{ op = \"block\", repeat = 30000, body = [{{ op = \"relu\" }}] }}{end}");
    let deep = format!("{}{{ op = \"relu\" }}{}{end}", "{ op = \"block\", body = [".repeat(34), "] }".repeat(34));
    for (layers, says) in [
        (r#"{ op = "conf", width = 8 }"#, &["conf", "conv"][..]),
        (r#"{ width = 8 }"#, &["op"]),
        (r#"{ op = "conv", width = 8, kernal = 3 }"#, &["kernal", "kernel", "conv"]),
        (r#"{ op = "relu", width = 8 }"#, &["width", "relu"]),
        (r#"{ op = "relu" }, { op = "conv", width = 8, kernal = 3 }"#, &["layer 1: ", "kernal"]),
        (r#"{ op = "conv", width = 7.5 }"#, &["layer 0: ", "whole number, or a formula"]),
        (r#"{ op = "conv" }"#, &["width", "conv"]),
        (r#"{ op = "conv", width = -1 }"#, &["conv"]),
        (r#"{ op = "conv", name = "stem", width = "2*k" }"#, &["stem", "`k`", "c, classes, i, in"]),
        (r#"{ op = "conv", name = "stem", width = 0 }"#, &["stem", "width is 0"]),
        (r#"{ op = "conv", name = "stem", width = 8, groups = 2 }"#, &["stem", "2", "3 channels"]),
        (r#"{ op = "conv", name = "stem", width = 8, kernel = 9, padding = 0 }"#, &["stem", "9x9", "8x8"]),
        (r#"{ op = "conv", width = 99999999999 }"#, &["layer 0", "1073741824"]),
        (r#"{ op = "conv", width = 1000000000, kernel = 31 }"#, &["layer 0", "weights"]),
        (r#"{ op = "linear", width = 8 }"#, &["layer 0", "8x8x3", "flatten"]),
        (r#"{ op = "add", with = "later" }, { op = "relu", name = "later" }"#, &["`later`", "before"]),
        (r#"{ op = "conv", name = "first", width = 8 }, { op = "add", with = "frist" }"#, &["`frist`", "`first`"]),
        (r#"{ op = "conv", width = 8 }, { op = "add", with = "input" }"#, &["layer 1", "8x8x3", "8x8x8"]),
        (
            r#"{ op = "residual", name = "b", body = [{ op = "conv", width = 8, stride = 2 }] }"#,
            &["b (residual)", "4x4x8", "8x8x3", "shortcut"],
        ),
        (
            r#"{ op = "residual", name = "b", body = [{ op = "conv", width = 8 }], shortcut = [{ op = "subsample", stride = 2 }] }"#,
            &["b (residual)", "8x8x8", "4x4x3"],
        ),
        (
            r#"{ op = "gate", name = "g", body = [{ op = "conv", width = 8 }] }"#,
            &["g (gate)", "8x8x3", "8x8x8", "1x1x3"],
        ),
        (
            r#"{ op = "concat", name = "j", with = "in" }, { op = "subsample", stride = 2 }, { op = "concat", with = "j" }"#,
            &["4x4x6", "8x8x6"],
        ),
        (r#"{ op = "relu", name = "a" }, { op = "relu", name = "a" }"#, &["two", "`a`"]),
        (r#"{ op = "relu", name = "a b" }"#, &["a b", "spaces"]),
        (r#"{ op = "relu", repeat = 2 }"#, &["blocks", "repeat"]),
        (r#"{ op = "relu", name = "" }"#, &["empty name"]),
        (r#"{ op = "block", repeat = 0, body = [] }"#, &["repeat is 0"]),
        (r#"{ op = "branches", branch = [] }"#, &["no branches"]),
        (r#"{ op = "dropout", share = 1.5 }"#, &["share = 1.5"]),
        (r#"{ op = "leaky-relu", slope = -1.0 }"#, &["slope"]),
        (r#"{ op = "max-pool", kernel = 0 }"#, &["max-pool", "kernel"]),
        (r#"{ op = "blur-pool", kernel = 40 }"#, &["kernel = 40"]),
        (r#"{ op = "pad-channels", width = 2 }"#, &["width is 2", "3 channels"]),
        (r#"{ op = "batch-norm", gain = 0.0 }"#, &["gain = 0"]),
        (&long[..], &["more than 20000 layers"]),
        (&deep[..], &["more than 32 blocks"]),
    ] {
        let e = error(&format!("{layers}{}", if layers.ends_with(end) { "" } else { end }));
        assert!(says.iter().all(|s| e.contains(s)) && !e.contains('\n'), "{layers}: {e}");
    }
    for (layers, says) in [
        (r#"{ op = "relu" }"#, "classifier"),
        (r#"{ op = "flatten" }, { op = "classifier" }, { op = "relu" }"#, "last one"),
        (r#"{ op = "flatten" }, { op = "residual", body = [{ op = "classifier" }] }"#, "1 (residual)"),
        (
            r#"{ op = "conv", name = "lost", width = 8 }, { op = "flatten", from = "input" }, { op = "classifier" }"#,
            "lost",
        ),
    ] {
        let e = error(layers);
        assert!(e.contains(says), "{layers}: {e}");
    }
    for (text, says) in [
        ("", "net.kind"),
        ("kind = \"resnet20\"\nlayer = [{ op = \"relu\" }]", "net.layer"),
        ("widths = [3]\nlayer = [{ op = \"relu\" }]", "net.widths"),
        ("stem = \"cifar\"\nlayer = [{ op = \"relu\" }]", "net.stem"),
    ] {
        let e = read(text).unwrap_err();
        assert!(e.contains(says), "{text}: {e}");
    }
}

/// Random layers: some that fit, some that nobody would write.
struct Random {
    draws: Draws,
    names: usize,
}

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.draws.below(n)
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u32) as usize]
    }

    fn number(&mut self) -> String {
        match self.below(12) {
            0 => "\"c\"".into(),
            1 => "\"2*c\"".into(),
            2 => "\"c/2\"".into(),
            3 => "\"max(c, in)\"".into(),
            4 => format!("{}", self.below(3)),
            5 => self.of(&["\"classes\"", "\"c+\"", "\"(c\"", "4294967296", "\"i\"", "\"1 + (i == 0)\""]).into(),
            _ => format!("{}", [4, 6, 8, 12][self.below(4) as usize]),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        let n = 1 + self.below(4);
        (0..n).map(|_| self.layer(depth)).collect::<Vec<_>>().join(", ")
    }

    fn layer(&mut self, depth: usize) -> String {
        let mut more = String::new();
        if self.below(3) == 0 {
            self.names += 1;
            more += &format!(", name = \"n{}\"", self.names);
        }
        if self.below(10) == 0 && self.names > 0 {
            more += &format!(", from = \"n{}\"", 1 + self.below(self.names as u32));
        }
        if self.below(12) == 0 {
            more += ", stage = true";
        }
        let kernel = self.of(&["1", "2", "3", "3", "3", "5", "0"]);
        let stride = self.of(&["1", "1", "1", "2", "\"1 + (i == 0)\"", "0", "3"]);
        let (a, b) = (self.number(), self.number());
        let blocks = if depth < 3 { 5 } else { 0 };
        let op = match self.below(22 + blocks) {
            0 | 1 => format!("\"conv\", width = {a}, kernel = {kernel}, stride = {stride}"),
            2 => format!("\"conv\", width = {a}, groups = {b}, bias = true"),
            3 | 4 => format!("\"binary-conv\", width = {a}, kernel = {kernel}, stride = {stride}"),
            5 => {
                format!("\"binary-conv\", width = {a}, dilation = {stride}, groups = {}", self.of(&["1", "2", "\"c\""]))
            }
            6 | 7 => "\"batch-norm\"".into(),
            8 => self.of(&["\"relu\"", "\"prelu\"", "\"rprelu\"", "\"maxout\"", "\"hardtanh\""]).into(),
            9 => self.of(&["\"sigmoid\"", "\"tanh\"", "\"gelu\"", "\"leaky-relu\", slope = 0.2"]).into(),
            10 => format!("\"max-pool\", kernel = {kernel}, stride = {stride}"),
            11 => format!("\"avg-pool\", kernel = {kernel}"),
            12 => format!("\"blur-pool\", stride = {stride}"),
            13 => "\"global-avg-pool\"".into(),
            14 => format!("\"subsample\", stride = {stride}"),
            15 => format!("\"pad-channels\", width = {a}, side = \"{}\"", self.of(&["both", "before", "behind"])),
            16 => "\"flatten\"".into(),
            17 => format!("\"linear\", width = {a}"),
            18 => format!("\"dropout\", share = 0.{}", self.below(9)),
            19..=21 => {
                let with = self.of(&["in", "input", "n1", "n2"]);
                format!("\"{}\", with = \"{with}\"", self.of(&["add", "multiply", "concat"]))
            }
            22 => format!("\"block\", repeat = {}, body = [{}]", 1 + self.below(3), self.list(depth + 1)),
            23 => {
                let (body, shortcut) = (self.list(depth + 1), self.list(depth + 1));
                format!("\"residual\", body = [{body}], shortcut = [{shortcut}]")
            }
            24 => format!("\"dense\", body = [{}]", self.list(depth + 1)),
            25 => {
                let (a, b) = (self.list(depth + 1), self.list(depth + 1));
                format!("\"branches\", branch = [[{a}], [{b}]], join = \"{}\"", self.of(&["add", "concat"]))
            }
            _ => format!(
                "\"gate\", body = [{}, {{ op = \"global-avg-pool\" }}, {{ op = \"linear\", width = \"gated\" }}]",
                self.list(depth + 1)
            ),
        };
        format!("{{ op = {op}{more} }}")
    }
}

/// Random lists build, or say why not; a training step of what builds passes on the CPU against the reference.
#[test]
fn random_lists_are_refused_or_pass() {
    let count: u64 = std::env::var("ONEBIT_MUTATIONS").map_or(4000, |n| 100 * n.parse::<u64>().expect("a number"));
    let (mut refused, mut specs, mut seen) = (0, Vec::new(), Vec::new());
    for number in 0..count {
        let mut random = Random { draws: Philox::new(21, 0).draws(number, 0), names: 0 };
        let text = format!("layer = [{}, {{ op = \"global-avg-pool\" }}, {{ op = \"classifier\" }}]", random.list(0));
        let spec = catch_unwind(|| {
            let spec: NetSpec = toml::from_str(&text).ok()?;
            spec.validate().ok()?;
            built(&spec, [9, 8, 3], 10).is_ok().then_some(spec)
        });
        match spec.unwrap_or_else(|_| panic!("number {number} panics: {text}")) {
            None => refused += 1,
            // Those that have something to train, of each kind of layer a few.
            Some(spec) => {
                let small = built(&spec, [8, 8, 3], 10).is_ok_and(|(all, params)| params > 4 && all.len() < 100_000);
                let kinds: Vec<String> =
                    text.split("op = \"").skip(1).filter_map(|t| Some(t.split('"').next()?.to_string())).collect();
                let is_new = kinds.iter().any(|k| seen.iter().filter(|s| *s == k).count() < 4);
                if small && is_new && specs.len() < 60 {
                    seen.extend(kinds);
                    specs.push((number, text.clone(), step::step(&format!("number {number}"), spec, 8, SGD)));
                }
            }
        }
    }
    println!("{refused} of {count} refused, {} checked", specs.len());
    assert!(refused > count / 10 && specs.len() >= 20, "{refused} {}", specs.len());
    let request = Request { quick: true, ..Request::default() };
    let cases: Vec<CaseSpec> = specs.iter().map(|(_, _, spec)| spec.clone()).collect();
    let sets = [vec![("CPU".to_string(), Device::Cpu)], vec![("CPU".to_string(), Device::Cpu)]];
    let report = Report { seed: request.seed, devices: request.run(&sets, &cases, |_, _| true), ..Report::default() };
    let texts: Vec<String> = specs.iter().map(|(number, text, _)| format!("{number}: {text}")).collect();
    assert!(report.passed(), "{report}\n{}", texts.join("\n"));
}
