//! What ships: packed models are what the training graph is, on every device, and nothing else is read as one.

use crate::devices::{devices, gpus};
use crate::python::python;
use onebit::data::Dataset;
use onebit::deploy::{Net, Op, Runtime, file, graph, onnx, pack, web};
use onebit::device::{Device, Store};
use onebit::gpu::GpuOptions;
use onebit::kernels::Isa;
use onebit::methods::inference_graph;
use onebit::methods::{EVAL_IMAGES, ImageInfo, LOGITS, Task};
use onebit::recipe::Recipe;
use onebit::rng::Philox;
use onebit::tensor::{DType, HostTensor};
use onebit::web::ask_in_browser;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Networks that ship differently: thresholds, shortcuts of every kind, pooling, standardised images, slopes, scale matrices,
/// bits of 0 and 1, a flattened map, a perceptron, a bottleneck, the stem for large images, features without classes; lists of
/// layers: groups, taps apart, low passes, gates, dense blocks, branches, smooth nonlinearities; vision transformers.
const NETWORKS: [(&str, &[&str], [usize; 3]); 31] = [
    ("fashion-binary", &["net.widths=[8,33,64,40,32]"], [14, 14, 1]),
    ("fashion-float", &["net.widths=[8,8,16,16,8]"], [14, 14, 1]),
    ("small-siman", &["net.widths=[8,8,16,32]"], [12, 12, 3]),
    ("small-siman-01", &["net.widths=[8,8,16,32]"], [12, 12, 3]),
    ("small-reactnet", &["net.widths=[8,16,32,32]"], [16, 16, 1]),
    ("small-rbcn", &["net.widths=[8,8,16,32]"], [12, 12, 1]),
    ("small-xnor", &["net.widths=[8,8,16,32]"], [12, 12, 1]),
    ("imagenet-resnet18-bireal", &["net.widths=[8,8,8,16,16]"], [64, 64, 3]),
    ("cifar10-vggsmall-siman", &["net.widths=[8,8,16,16,32,32]"], [16, 16, 3]),
    ("mbn-compress-binary", &["net.widths=[40,33]"], [5, 5, 1]),
    ("mbn-compress", &["net.widths=[24]"], [5, 5, 3]),
    ("fashion-binary", &["net.kind=resnet18", "net.widths=[8,8,16,16,32]", "net.shortcut=binary"], [16, 16, 3]),
    ("fashion-float", &["net.kind=resnet50", "net.widths=[4,4,8,8,8]", "net.stem=cifar"], [16, 16, 3]),
    ("small-burn", &["net.widths=[8,16,32,32]"], [12, 12, 1]),
    ("small-recu", &["net.widths=[8,8,16,32]"], [12, 12, 3]),
    ("small-biper-step1", &["net.widths=[8,8,16,32]"], [12, 12, 3]),
    ("small-biper", &["net.widths=[8,8,16,32]"], [12, 12, 3]),
    ("small-adabin", &["net.widths=[8,8,16,40]"], [13, 12, 3]),
    ("small-adabin", &["net.kind=vgg-small", "net.widths=[8,8,16,16,33,32]"], [16, 16, 1]),
    ("small-layers", &[], [12, 12, 1]),
    ("imagenet-quicknet", &["net.vars={w1=16,w2=16,w3=24,w4=40,n1=1,n2=2,n3=1,n4=1}"], [40, 40, 3]),
    ("imagenet-meliusnet22", &["net.vars={growth=16,w2=24,w3=32,w4=20}"], [32, 32, 3]),
    ("imagenet-binarydensenet28", &["net.vars={stem=8,growth=8}"], [32, 32, 3]),
    ("imagenet-real-to-binary", &["net.vars={w=8}"], [64, 64, 3]),
    ("small-real-to-binary-step1", &["net.vars={w=8}"], [16, 16, 3]),
    ("small-real-to-binary", &["net.vars={w=8}"], [16, 16, 3]),
    ("small-layers", &[LAYERS], [14, 14, 3]),
    ("small-vit", &["net.widths=[24]"], [12, 20, 3]),
    ("small-vit-binary", &["net.widths=[48]"], [16, 12, 3]),
    ("small-vit-binary", &["net.widths=[96]", "net.binarization.attention=true"], [16, 12, 3]),
    ("small-vit", &["net.kind=clip-b32", "net.activation=quick-gelu", "net.widths=[48]"], [64, 64, 3]),
];

/// What the others do not have.
const LAYERS: &str = r#"net.layer=[
    { op = "conv", width = 12, groups = 3, bias = true }, { op = "batch-norm" }, { op = "maxout" },
    { op = "dense", body = [{ op = "binary-conv", width = 40, dilation = 2 }, { op = "batch-norm" }] },
    { op = "branches", branch = [
        [{ op = "binary-conv", width = "c", groups = 4, stride = 2 }, { op = "batch-norm" }, { op = "tanh" }],
        [{ op = "conv", width = "c", groups = "c", kernel = 5, dilation = 2, stride = 2 }, { op = "gelu" }],
    ], join = "add" },
    { op = "leaky-relu", slope = 0.1 },
    { op = "gate", body = [{ op = "conv", width = "c", kernel = 1 }, { op = "sigmoid" }] },
    { op = "flatten" }, { op = "linear", width = 33 }, { op = "prelu" }, { op = "classifier" },
]"#;

struct Case {
    name: String,
    recipe: Recipe,
    images: ImageInfo,
    tensors: HashMap<String, HostTensor>,
}

impl Case {
    fn new((name, settings, extents): (&str, &[&str], [usize; 3])) -> Case {
        let settings: Vec<String> = settings.iter().map(|s| s.to_string()).collect();
        let recipe = Recipe::find(name).unwrap().1.with(&settings).unwrap();
        let (mean, std) = (vec![0.4; extents[2]], vec![0.3; extents[2]]);
        let images = ImageInfo { extents, classes: 10, mean, std, crops: false };
        let mut case = Case { name: format!("{name} {settings:?}"), recipe, images, tensors: HashMap::new() };
        let graph = inference_graph(&case.task(), 1).unwrap();
        let p = Philox::new(5, 0);
        for (stream, v) in graph.params().into_iter().chain(graph.states()).enumerate() {
            let (name, shape) = (graph.name(v).to_string(), graph.shape(v).clone());
            let (n, of_channels) = (shape.elements(), shape.len() == 1);
            let normal = |i: usize| p.normal(stream as u64, i as u64);
            let value = |i: usize| match () {
                _ if name.ends_with("running_var") => 0.5 + normal(i).abs(),
                _ if name.ends_with("alpha") => 0.05 + 0.01 * normal(i).abs(),
                // Factors of both signs, and one that is 0.
                _ if name.contains("bn") && name.ends_with("weight") && i == 1 => 0.0,
                _ if of_channels => normal(i),
                _ => normal(i) * (2.0 / (n / shape[0]) as f32).sqrt(),
            };
            let t = match graph.dtype(v) {
                DType::Bits => {
                    let bits: Vec<f64> = (0..n).map(|i| (normal(i) > 0.0) as u8 as f64).collect();
                    HostTensor::from_f64(shape.clone(), DType::Bits, &bits)
                }
                _ => HostTensor::from_f32(shape.clone(), (0..n).map(value).collect()),
            };
            case.tensors.insert(name.clone(), t);
        }
        case
    }

    fn task(&self) -> Task<'_> {
        Task { recipe: &self.recipe, images: &self.images, teacher: None, targets: None }
    }

    fn net(&self) -> Net {
        let classes: Vec<String> = (0..10).map(|c| format!("class {c}")).collect();
        pack::pack(&self.task(), &self.tensors, &classes).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    fn image(&self, i: usize) -> Vec<u8> {
        let p = Philox::new(9, i as u64);
        (0..self.images.bytes()).map(|j| (p.word(0, j as u64) >> 24) as u8).collect()
    }

    /// What the training graph makes of images in evaluation.
    fn expected(&self, n: usize) -> Vec<Vec<f32>> {
        logits(&Device::Cpu, inference_graph(&self.task(), n).unwrap(), &self.tensors, self, n)
    }
}

fn logits(
    device: &Device,
    graph: onebit::graph::Graph,
    tensors: &HashMap<String, HostTensor>,
    case: &Case,
    n: usize,
) -> Vec<Vec<f32>> {
    let images: Vec<u8> = (0..n).flat_map(|i| case.image(i)).collect();
    run(device, graph, tensors, &HostTensor::from_u8([n, case.images.bytes()], &images))
}

fn run(
    device: &Device,
    graph: onebit::graph::Graph,
    tensors: &HashMap<String, HostTensor>,
    images: &HostTensor,
) -> Vec<Vec<f32>> {
    let leaves: Vec<String> =
        graph.params().into_iter().chain(graph.states()).map(|v| graph.name(v).to_string()).collect();
    let scalars = vec![0.0; graph.scalars().len()];
    let mut store = Store::new(device.clone());
    let mut exe = store.load(graph).unwrap();
    leaves.iter().for_each(|name| store.write(name, &tensors[name]).unwrap());
    store.write(EVAL_IMAGES, images).unwrap();
    exe.run(&scalars).unwrap();
    let y = exe.read(LOGITS).unwrap();
    y.f32s().chunks(y.shape().columns()).map(<[f32]>::to_vec).collect()
}

fn first(y: &[f32]) -> usize {
    (0..y.len()).fold(0, |best, i| if y[i] > y[best] { i } else { best })
}

/// Shares of images whose largest output is another one, and whose outputs differ by more than 1e-4 of the largest: a sign
/// that rounding decides otherwise turns bits behind it.
fn apart(a: &[Vec<f32>], b: &[Vec<f32>]) -> (f64, f64) {
    let largest = b.iter().flatten().fold(0f32, |m, x| m.max(x.abs()));
    assert!(!a.is_empty() && a.iter().map(Vec::len).eq(b.iter().map(Vec::len)), "other numbers of outputs");
    // What is no number is far from every number.
    let near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * largest;
    let far = |(a, b): &(&Vec<f32>, &Vec<f32>)| a.iter().zip(*b).any(|(a, b)| !near(*a, *b));
    let other = a.iter().zip(b).filter(|(a, b)| first(a) != first(b)).count();
    (other as f64 / a.len() as f64, a.iter().zip(b).filter(far).count() as f64 / a.len() as f64)
}

#[test]
fn the_runtime_gives_what_the_training_graph_gives() {
    const N: usize = 40;
    for case in NETWORKS.map(Case::new) {
        let (net, expected) = (case.net(), case.expected(N));
        let mut runtime = Runtime::new(&net, 1).unwrap();
        let got: Vec<Vec<f32>> = (0..N).map(|i| runtime.run(&case.image(i)).unwrap().to_vec()).collect();
        let (other, far) = apart(&got, &expected);
        println!("{}: {} nodes, {other} other, {far} far", case.name, net.nodes.len());
        // Random weights of a net that standardises leave many numbers near 0; the rest has no tie at all.
        // Nor are the two orders of AdaBin's sums equal, in which a threshold may lie.
        let ties = if case.name.contains("siman") || case.name.contains("adabin") { 0.1 } else { 0.0 };
        assert!(other <= ties && far <= ties, "{}: {other} {far}", case.name);
        // By other instructions and on other numbers of threads, to the bit.
        for isa in Isa::all() {
            for threads in [1, 3] {
                let mut runtime = Runtime::with_isa(&net, threads, isa).unwrap();
                for (i, expected) in got.iter().enumerate().take(3) {
                    assert!(runtime.run(&case.image(i)).unwrap() == expected, "{} {isa:?} {threads}", case.name);
                }
            }
        }
        assert_eq!(runtime.classify(&case.image(0)).unwrap()[0].0, first(&got[0]));
        let few = runtime.run(&[0; 7]).unwrap_err().to_string();
        assert!(few.contains("7 bytes"), "{few}");
    }
}

#[test]
fn a_packed_model_runs_on_every_adapter() {
    const N: usize = 6;
    let devices = devices();
    for case in NETWORKS.map(Case::new) {
        let (net, expected) = (case.net(), case.expected(N));
        for (name, device) in &devices {
            let got = logits(device, graph::graph(&net, N).unwrap(), &HashMap::new(), &case, N);
            let (other, far) = apart(&got, &expected);
            let ties = if case.name.contains("siman") || case.name.contains("adabin") { 0.2 } else { 0.0 };
            assert!(other <= ties && far <= ties, "{} on {name}: {other} {far}", case.name);
        }
    }
}

#[test]
fn a_binary_weight_takes_one_bit_and_what_can_be_folded_is() {
    let case = Case::new(("fashion-binary", &[], [28, 28, 1]));
    let net = case.net();
    let thresholds = net.nodes.iter().filter(|n| matches!(n.op, Op::Threshold(_))).count();
    assert_eq!(thresholds, 3);
    let bytes = file::encode(&net);
    let (bits, numbers) = net.parameters().unwrap();
    assert_eq!(bits, 138_240);
    assert!(bytes.len() < bits / 8 + 4 * numbers + 1000, "{}", bytes.len());
    assert_eq!(file::decode(&bytes, Path::new("memory")).unwrap(), net);
    // However many channels: a word of four bytes and not one a tap.
    for case in NETWORKS.map(Case::new) {
        let mut net = case.net();
        let (bits, _) = net.parameters().unwrap();
        let whole = file::encode(&net).len();
        assert_eq!(file::decode(&file::encode(&net), Path::new("memory")).unwrap(), net, "{}", case.name);
        assert_eq!(net.nodes.iter().map(|n| n.op.bits()).sum::<usize>(), bits);
        let sets = net.nodes.iter().filter(|n| matches!(n.op, Op::SetConv(_))).count();
        assert_eq!(sets > 0, case.name.contains("adabin"), "{}: all convolutions of two values are of bits", case.name);
        let counted = net.nodes.iter().filter(|n| matches!(n.op, Op::BinaryConv(_) | Op::SetConv(_)));
        let layers: Vec<usize> = counted.map(|n| n.op.bits()).collect();
        for node in &mut net.nodes {
            match &mut node.op {
                Op::BinaryConv(conv) => (conv.outputs, conv.bits) = (0, Vec::new()),
                Op::SetConv(conv) => conv.bits = Vec::new(),
                _ => {}
            }
        }
        assert_eq!(whole - file::encode(&net).len(), layers.iter().map(|bits| 4 * bits.div_ceil(32)).sum::<usize>());
    }
}

#[test]
fn resnet18_is_eleven_times_smaller() {
    let settings = ["net.skip=single", "net.shortcut=float"];
    let mut case = Case::new(("imagenet-resnet18-bireal", &settings, [224, 224, 3]));
    case.images.classes = 1000;
    let graph = inference_graph(&case.task(), 1).unwrap();
    let fc: Vec<_> =
        graph.params().into_iter().chain(graph.states()).filter(|v| graph.name(*v).starts_with("fc.")).collect();
    for v in fc {
        case.tensors.insert(graph.name(v).into(), HostTensor::zeros(graph.shape(v).clone(), DType::F32));
    }
    let net = pack::pack(&case.task(), &case.tensors, &[]).unwrap();
    let (bits, numbers) = net.parameters().unwrap();
    assert!(11 * file::encode(&net).len() <= 4 * (bits + numbers));
}

#[test]
fn what_is_no_model_is_named() {
    let case = Case::new(NETWORKS[0]);
    let bytes = file::encode(&case.net());
    let error = |bytes: &[u8]| file::decode(bytes, Path::new("some.1bit")).unwrap_err().to_string();
    for n in 0..bytes.len() {
        let m = error(&bytes[..n]);
        assert!(
            m.starts_with("some.1bit: ") && (m.contains("cut short") || m.contains("not a packed model")),
            "{n}: {m}"
        );
    }
    for i in 0..bytes.len() {
        let mut other = bytes.clone();
        other[i] ^= 1 << (i % 8);
        error(&other);
    }
    assert!(error(&[&bytes[..], &[0]].concat()).contains("followed by something else"));
    assert!(error(b"\x89PNG\r\n\x1a\nand so on").contains("not a packed model"));
    let mut other = bytes.clone();
    other[8] = 9;
    assert!(error(&other).contains("version 9"));
    assert!(file::load(Path::new("no/such.1bit")).unwrap_err().to_string().contains("no/such.1bit"));
}

/// Content that is changed anywhere, with a checksum that fits: an error, or a network that runs.
#[test]
fn changed_content_is_refused_or_runs() {
    let transformer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/packed_model/transformer.1bit");
    let models = [file::encode(&Case::new(NETWORKS[0]).net()), std::fs::read(transformer).unwrap()];
    for (stream, bytes) in models.into_iter().enumerate() {
        let p = Philox::new(1, 1 + stream as u64);
        let (mut refused, mut ran) = (0, 0);
        for round in 0..3000u64 {
            let mut other = bytes.clone();
            let mut draws = p.draws(round, 0);
            for _ in 0..1 + draws.below(3) {
                let i = 24 + draws.below((other.len() - 24) as u32) as usize;
                other[i] = draws.word() as u8;
            }
            let crc = crc32fast::hash(&other[24..]);
            other[12..16].copy_from_slice(&crc.to_le_bytes());
            match file::decode(&other, Path::new("changed.1bit")) {
                Ok(net) => {
                    if net.input.iter().product::<usize>() < 1 << 16 {
                        let mut runtime = Runtime::new(&net, 1).unwrap();
                        let image = vec![7; net.input.iter().product()];
                        assert_eq!(runtime.run(&image).unwrap().len(), runtime.outputs());
                        ran += 1;
                    }
                }
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 50 && ran > 50, "model {stream}: {refused} {ran}");
    }
}

/// The outputs of onnxruntime for images, of each model.
fn onnxruntime(models: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let at = |i: usize, ending: &str| folder.path().join(format!("{i:02}.{ending}"));
    for (i, (model, images)) in models.iter().enumerate() {
        std::fs::write(at(i, "onnx"), model).unwrap();
        std::fs::write(at(i, "images"), images).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_onnx.py");
    output(Command::new(python("onnxruntime")).arg(script).arg(folder.path()));
    let floats = |bytes: Vec<u8>| bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    (0..models.len()).map(|i| floats(std::fs::read(at(i, "outputs")).unwrap())).collect()
}

#[test]
fn onnxruntime_gives_what_the_runtime_gives() {
    const N: usize = 40;
    let cases = NETWORKS.map(Case::new);
    let models: Vec<(Vec<u8>, Vec<u8>)> = cases
        .iter()
        .map(|case| {
            let bytes = onnx::onnx(&case.net()).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            (bytes, (0..N).flat_map(|i| case.image(i)).collect())
        })
        .collect();
    let outputs = onnxruntime(&models);
    assert_eq!(outputs.len(), cases.len());
    for (case, got) in cases.iter().zip(outputs) {
        let mut runtime = Runtime::new(&case.net(), 1).unwrap();
        let own: Vec<Vec<f32>> = (0..N).map(|i| runtime.run(&case.image(i)).unwrap().to_vec()).collect();
        let got: Vec<Vec<f32>> = got.chunks(runtime.outputs()).map(<[f32]>::to_vec).collect();
        let (other, far) = apart(&got, &own);
        println!("{}: {other} other, {far} far", case.name);
        let ties = if case.name.contains("siman") { 0.2 } else { 0.0 };
        assert!(other <= ties && far <= ties, "{}: {other} {far}", case.name);
    }
}

/// A binary network whose classes are many, in spite of random weights, and all test images of the embedded set with the
/// classes that the runtime names.
fn of_the_embedded_set() -> (Case, Vec<Vec<u8>>, Vec<Vec<f32>>) {
    let mut case = Case::new(("fashion-binary", &[], [28, 28, 1]));
    let test = Dataset::embedded().test;
    let images: Vec<Vec<u8>> = (0..test.len()).map(|i| test.image(i).unwrap().to_vec()).collect();
    // Random weights favour one class: biases take that back.
    let mut runtime = Runtime::new(&case.net(), 1).unwrap();
    let bias = case.tensors.get_mut("fc.bias").unwrap().f32s_mut();
    for image in &images {
        let y = runtime.run(image).unwrap();
        bias.iter_mut().zip(y).for_each(|(b, y)| *b -= y / images.len() as f32);
    }
    let mut runtime = Runtime::new(&case.net(), 1).unwrap();
    let outputs: Vec<Vec<f32>> = images.iter().map(|image| runtime.run(image).unwrap().to_vec()).collect();
    assert!(outputs.iter().any(|y| first(y) != first(&outputs[0])), "all images are of one class");
    (case, images, outputs)
}

/// Training graph, runtime, packed graph on every adapter, and onnxruntime, on all test images of the embedded set.
#[test]
fn all_forms_name_the_same_class_of_every_test_image() {
    let (case, images, own) = of_the_embedded_set();
    let net = case.net();
    let run = |device: &Device, graph: onebit::graph::Graph, tensors: &HashMap<String, HostTensor>| {
        let all: Vec<u8> = images.concat();
        run(device, graph, tensors, &HostTensor::from_u8([images.len(), case.images.bytes()], &all))
    };
    let n = images.len();
    let mut forms = vec![
        ("the training graph".to_string(), run(&Device::Cpu, inference_graph(&case.task(), n).unwrap(), &case.tensors)),
        ("the packed graph".to_string(), run(&Device::Cpu, graph::graph(&net, n).unwrap(), &HashMap::new())),
    ];
    for (name, device) in gpus(GpuOptions::default()) {
        forms.push((name, run(&device, graph::graph(&net, n).unwrap(), &HashMap::new())));
    }
    let asked = onnxruntime(&[(onnx::onnx(&net).unwrap(), images.concat())]).remove(0);
    forms.push(("onnxruntime".into(), asked.chunks(own[0].len()).map(<[f32]>::to_vec).collect()));
    for (name, outputs) in forms {
        let (other, far) = apart(&outputs, &own);
        println!("{name}: {} of {n} images of another class, {} with outputs apart", other * n as f64, far * n as f64);
        assert!(other == 0.0 && far == 0.0, "{name}: {other} {far}");
    }
}

/// The page that a user gets, asked for the classes of images by a script in place of a person.
#[test]
fn the_page_names_the_classes_that_the_runtime_names() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page");
    let (case, images, outputs) = of_the_embedded_set();
    let net = case.net();
    web::write(&net, "a test", file::encode(&net).len(), &page).unwrap();
    assert!(web::write(&net, "a test", 0, &page).unwrap_err().to_string().contains("not empty"));
    let script = format!(
        "onebit.Runner.open(onebit.model).then(async (runner) => {{
            const classes = [];
            for (const image of {}) classes.push(onebit.byProbability(await runner.run(Uint8Array.from(image)))[0].number);
            await fetch('answer', {{ method: 'POST', body: JSON.stringify(classes) }});
        }}).catch((e) => fetch('failed', {{ method: 'POST', body: JSON.stringify({{ message: e.message }}) }}));",
        serde_json::to_string(&images).unwrap()
    );
    std::fs::write(page.join("test.js"), script).unwrap();
    let scripts: String = ["run.js", "model.js", "test.js"].map(|s| format!("<script src=\"{s}\"></script>")).concat();
    std::fs::write(page.join("test.html"), format!("<!doctype html><meta charset=\"utf-8\">{scripts}")).unwrap();
    let said = ask_in_browser(&page, "test.html", Duration::from_secs(300)).unwrap();
    let own: Vec<usize> = outputs.iter().map(|y| first(y)).collect();
    assert_eq!(said, serde_json::json!(own));
}

/// The page as a person has it: an image is dropped, then something that is none, then the camera looks.
#[test]
fn the_page_takes_images_that_are_dropped_and_the_cameras() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page");
    let (case, images, outputs) = of_the_embedded_set();
    web::write(&case.net(), "a test", 0, &page).unwrap();
    let script = format!(
        "(async () => {{
            const at = (id) => document.getElementById(id);
            const until = async (test) => {{ while (!test()) await new Promise((done) => setTimeout(done, 20)); }};
            const said = (part) => () => at('state').textContent.includes(part);
            const drop = (content, name) => {{
                const given = new DataTransfer();
                given.items.add(new File([content], name));
                at('drop').dispatchEvent(new DragEvent('drop', {{ dataTransfer: given, cancelable: true }}));
            }};
            await until(said('Ready.'));
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 28;
            const context = canvas.getContext('2d');
            const data = context.createImageData(28, 28);
            {}.forEach((x, i) => data.data.set([x, x, x, 255], 4 * i));
            context.putImageData(data, 0, 0);
            drop(await new Promise((made) => canvas.toBlob(made, 'image/png')), 'x.png');
            await until(said('ms from image to classes'));
            const dropped = at('classes').rows[0].cells[0].textContent;
            drop('words', 'notes.txt');
            await until(() => at('state').className === 'bad');
            const refused = at('state').textContent;
            navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(20);
            const moving = setInterval(() => context.putImageData(data, 0, 0), 20);
            at('camera').click();
            await until(() => at('camera').textContent === 'Stop' && at('state').className === '');
            const rows = at('classes').rows.length;
            at('camera').click();
            await until(() => at('camera').textContent === 'Camera');
            clearInterval(moving);
            await fetch('answer', {{ method: 'POST', body: JSON.stringify([dropped, refused, rows]) }});
        }})().catch((e) => fetch('failed', {{ method: 'POST', body: JSON.stringify({{ message: e.message }}) }}));",
        serde_json::to_string(&images[0]).unwrap()
    );
    std::fs::write(page.join("test.js"), script).unwrap();
    let index = std::fs::read_to_string(page.join("index.html")).unwrap();
    let with_test = index.replace("</body>", "<script src=\"test.js\"></script></body>");
    std::fs::write(page.join("test.html"), with_test).unwrap();
    let said = ask_in_browser(&page, "test.html", Duration::from_secs(300)).unwrap();
    assert_eq!(said[0], format!("class {}", first(&outputs[0])));
    assert!(said[1].as_str().is_some_and(|m| m.starts_with("notes.txt: ")), "{said}");
    assert_eq!(said[2], 5);
}

/// Runs a program to its end; what it printed.
fn output(command: &mut Command) -> String {
    let o = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        o.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&o.stdout),
        String::from_utf8_lossy(&o.stderr)
    );
    String::from_utf8_lossy(&o.stdout).into_owned()
}

/// Builds the runtime as a library for C, as the header says it, with more arguments for cargo; the folder of what is built.
fn library(more: &[&str]) -> PathBuf {
    let target: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge");
    let mut cargo = Command::new(env!("CARGO"));
    if let Some(rustc) = std::env::var_os("ONEBIT_ARM64_RUSTC").filter(|_| more.contains(&"--target")) {
        cargo.env("RUSTC", rustc);
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["rustc", "--release", "--lib", "--no-default-features", "--crate-type", "staticlib"]).args(more);
    output(cargo.arg("--target-dir").arg(&target));
    target
}

/// Compiles a program in C with that library.
fn compile(cc: &str, more: &[&str], source: &str, library: &Path, program: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cc = Command::new(cc);
    cc.args(["-Wall", "-Wextra", "-Werror"]).args(more).arg("-I").arg(root.join("src/deploy/c"));
    cc.arg(root.join(source)).arg(library).args(["-Wl,--gc-sections", "-lpthread", "-ldl", "-lm", "-o"]).arg(program);
    output(&mut cc);
}

/// On 64-bit ARM the runtime counts with NEON: the same outputs, to the bit.
#[test]
#[ignore = "needs a compiler for 64-bit ARM and qemu: tests/arm64.sh installs both and runs this"]
fn the_runtime_gives_the_same_on_64_bit_arm() {
    const N: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let target = library(&["--target", "aarch64-unknown-linux-gnu"]);
    let library = target.join("aarch64-unknown-linux-gnu/release/libonebit.a");
    // Static: where Debian's own C library for ARM stands too, the loader of the cross compiler would take that one.
    compile("aarch64-linux-gnu-gcc", &["-static"], "tests/outputs.c", &library, &at("outputs"));
    for case in NETWORKS.map(Case::new) {
        let net = case.net();
        std::fs::write(at("model.1bit"), file::encode(&net)).unwrap();
        std::fs::write(at("images"), (0..N).flat_map(|i| case.image(i)).collect::<Vec<u8>>()).unwrap();
        let mut qemu = Command::new("qemu-aarch64");
        qemu.arg(at("outputs")).arg(at("model.1bit")).arg(at("images"));
        let said = output(&mut qemu);
        let mut runtime = Runtime::new(&net, 1).unwrap();
        let own = (0..N).flat_map(|i| runtime.run(&case.image(i)).unwrap().to_vec());
        let own: Vec<String> = own.map(|y| format!("{:08x}", y.to_bits())).collect();
        assert_eq!(said.lines().collect::<Vec<_>>(), own, "{}", case.name);
    }
}

#[test]
fn the_example_in_c_names_the_class_that_predict_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    compile("cc", &[], "src/deploy/c/example.c", &library(&[]).join("release/libonebit.a"), &at("example"));
    let case = Case::new(("fashion-binary", &[], [28, 28, 1]));
    std::fs::write(at("model.1bit"), file::encode(&case.net())).unwrap();
    for i in 0..3 {
        let pgm = [&b"P5 28 28 255\n"[..], &case.image(i)].concat();
        std::fs::write(at("image.pgm"), pgm).unwrap();
        let said = output(Command::new(at("example")).arg(at("model.1bit")).arg(at("image.pgm")));
        let mut predict = Command::new(env!("CARGO_BIN_EXE_onebit"));
        let own =
            output(predict.arg("predict").arg(at("model.1bit")).arg(at("image.pgm")).args(["--json", "--top", "1"]));
        let own: serde_json::Value = serde_json::from_str(&own).unwrap();
        let class = own["top"][0]["class"].as_u64().unwrap();
        assert!(said.starts_with(&format!("{class} class {class} ")), "{said} {own}");
    }
    let foreign = Command::new(at("example")).arg(at("image.pgm")).arg(at("image.pgm")).output().unwrap();
    assert_eq!(foreign.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&foreign.stderr).contains("not a packed model"));
}
