//! Weights made elsewhere: networks of `tests/golden/foreign.py`, `foreign_cifar.py` and `foreign_releases.py` against PyTorch's answers on every device, and files that
//! are cut, changed, hostile or of something else.

use crate::devices::devices;
use crate::golden;
use onebit::device::{Device, Store};
use onebit::error::Result;
use onebit::foreign::{Foreign, is_foreign, load};
use onebit::graph::{Graph, Meta};
use onebit::nn::{Mode, NetKind, Stem, WeightRule};
use onebit::tensor::HostTensor;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Share of the largest magnitude of an answer by which each of its numbers may differ from PyTorch's in f64. Half a unit in
/// the last place is 6e-8; up to 53 layers are as many sums over up to 147 terms, each of which loses a few.
const BOUND: f64 = 2e-5;

pub fn golden(name: &str) -> PathBuf {
    golden::golden("foreign").join(name)
}

/// A tensor of the file of PyTorch's answers.
fn expected(name: &str) -> Option<(Vec<usize>, Vec<f64>)> {
    answer("expected.safetensors", name)
}

fn answer(file: &str, name: &str) -> Option<(Vec<usize>, Vec<f64>)> {
    let bytes = fs::read(golden(file)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let t = file.tensor(name).ok()?;
    let values = match t.dtype() {
        Dtype::F64 => bytemuck::pod_collect_to_vec(t.data()),
        _ => bytemuck::pod_collect_to_vec::<u8, f32>(t.data()).into_iter().map(f64::from).collect(),
    };
    Some((t.shape().to_vec(), values))
}

/// The upper left `side` x `side` pixels of the images.
fn images(side: usize) -> HostTensor {
    let (shape, values) = expected("images").unwrap();
    let [n, h, w, c] = shape[..] else { panic!("{shape:?}") };
    let rows = (0..n).flat_map(|i| (0..side).map(move |y| (i * h + y) * w * c));
    let cut = rows.flat_map(|at| &values[at..at + side * c]).map(|v| *v as f32).collect();
    HostTensor::from_f32([n, side, side, c], cut)
}

/// Pooled features and logits of a network.
fn run(foreign: &Foreign, images: &HostTensor, device: &Device) -> [HostTensor; 2] {
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32(images.shape().clone())).unwrap();
    let net = foreign.net.network(&mut g, x, foreign.classes, Mode::Eval, None).unwrap();
    g.output("features", net.features);
    g.output("logits", net.logits);
    let leaves: Vec<String> = g.params().into_iter().chain(g.states()).map(|v| g.name(v).to_string()).collect();
    let mut store = Store::new(device.clone());
    let mut exe = store.load(g).unwrap();
    for name in leaves {
        store.write(&name, &foreign.tensors[&name]).unwrap();
    }
    store.write("x", images).unwrap();
    exe.run(&[]).unwrap();
    [exe.read("features").unwrap(), exe.read("logits").unwrap()]
}

/// Fails unless a network of a release answers as PyTorch's does on every device, which a file has; the network.
pub fn release_answers_as_pytorch(file: &str, name: &str, answers: &str, images: &str) -> Foreign {
    let foreign = load(&golden(file)).unwrap_or_else(|e| panic!("{e}"));
    foreign.net.validate().unwrap();
    let of = |what: &str| answer(answers, what).unwrap();
    let (shape, pixels) = of(images);
    let images = HostTensor::from_f32(shape, pixels.iter().map(|x| *x as f32).collect());
    for (device_name, device) in devices() {
        // Without classes the features are the answer.
        let whats = if foreign.classes == 0 { &["features"][..] } else { &["features", "logits"] };
        for (what, got) in whats.iter().zip(run(&foreign, &images, &device)) {
            let (shape, expected) = of(&format!("{name}/{what}"));
            assert_eq!(got.shape()[..], shape, "{name}: {what}");
            let largest = expected.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
            let error = got.to_f64().iter().zip(&expected).map(|(g, e)| (g - e).abs()).max_by(f64::total_cmp).unwrap();
            println!("{name} on {device_name}: {what} differ by {:.1e} of the largest", error / largest);
            assert!(error <= BOUND * largest, "{name} on {device_name}: {what} differ by {error:e} of {largest:e}");
        }
    }
    foreign
}

#[test]
fn networks_of_releases_equal_pytorch() {
    use WeightRule as W;
    for (file, weights, kind) in [
        ("cifar-resnet20.th", None, NetKind::Resnet20),
        ("adabin-resnet20.th", Some(W::Adaptive), NetKind::Resnet20),
        ("irnet-resnet20.th", Some(W::Standardised), NetKind::Resnet20),
        ("recu-resnet20.pth", Some(W::Rectified), NetKind::Resnet20),
        ("recu-resnet18.pth", Some(W::Rectified), NetKind::Resnet18),
        ("biper-resnet20.pth", Some(W::SquareWave), NetKind::Resnet20),
        ("biper-sine-resnet20.pth", Some(W::Sine), NetKind::Resnet20),
        ("bireal-resnet18.pth.tar", Some(W::Sign), NetKind::Resnet18),
        ("reactnet-resnet18.pth.tar", Some(W::Sign), NetKind::Resnet18),
    ] {
        // The first two are stored without the ending of their file.
        let name = if weights.is_none_or(|w| w == W::Adaptive) { file.trim_end_matches(".th") } else { file };
        let images = if weights == Some(W::Sign) { "images64" } else { "images" };
        let foreign = release_answers_as_pytorch(file, name, "expected_cifar.safetensors", images);
        assert!(foreign.classes == 5 && foreign.ignored.len() == 1, "{file}: {:?}", foreign.ignored);
        let net = foreign.net;
        assert_eq!((net.kind, net.is_binary()), (kind, weights.is_some()), "{file}");
        assert!(weights.is_none_or(|w| w == net.binarization.weights), "{file}: {:?}", net.binarization);
    }
}

/// Names that a network of `foreign_releases.py` is told by.
#[test]
fn more_networks_of_releases_equal_pytorch() {
    use NetKind::{ReactnetA, Resnet18, Resnet20, VggSmall};
    use WeightRule as W;
    for (file, weights, kind, ignored) in [
        ("siman-resnet20.pth.tar", W::Magnitude, Resnet20, &["epoch"][..]),
        ("siman-resnet18.pth.tar", W::Magnitude, Resnet18, &["epoch"]),
        ("siman-imagenet18.pth.tar", W::Magnitude, Resnet18, &["epoch"]),
        ("irnet-imagenet18.pth", W::Standardised, Resnet18, &["epoch", "bn3"]),
        ("recu-imagenet18.pth", W::Rectified, Resnet18, &["epoch"]),
        ("adabin-imagenet18.pth.tar", W::Adaptive, Resnet18, &["epoch", "arch", "nonlinear2", "bn3"]),
        ("irnet-vgg.th", W::Standardised, VggSmall, &["epoch"]),
        ("recu-vgg.pth", W::Rectified, VggSmall, &["epoch"]),
        ("siman-vgg.pth.tar", W::Magnitude, VggSmall, &["epoch"]),
        ("reactnet-a.pth.tar", W::Sign, ReactnetA, &["epoch"]),
        ("s2bnn-a.pth.tar", W::Sign, ReactnetA, &["epoch", "arch", "encoder_k", "queue"]),
        ("burn-a.pth", W::Sign, ReactnetA, &["meta", "online_net", "diff_branch_net"]),
    ] {
        let large = kind == ReactnetA || file.contains("imagenet");
        let images = if large { "images64" } else { "images" };
        let foreign = release_answers_as_pytorch(file, file, "expected_releases.safetensors", images);
        assert_eq!((foreign.net.kind, foreign.net.binarization.weights), (kind, weights), "{file}");
        let without_labels = file.starts_with("s2bnn") || file.starts_with("burn");
        assert_eq!(
            (foreign.classes, foreign.net.feature_layer),
            (if without_labels { 0 } else { 5 }, file.starts_with("burn"))
        );
        assert_eq!(foreign.ignored[..ignored.len()], *ignored, "{file}");
        assert_eq!(foreign.images, (kind == VggSmall).then_some([16, 16, 3]), "{file}");
        // Beside bits the weights that training goes on from.
        let latent = |n: &&String| n.ends_with(".bits");
        for bits in foreign.tensors.keys().filter(latent) {
            let weight = &foreign.tensors[&bits.replace(".bits", ".weight")];
            assert_eq!(weight.shape(), foreign.tensors[bits].shape(), "{file}: {bits}");
        }
        assert_eq!(foreign.tensors.keys().any(|n| n.ends_with(".bits")), weights == W::Magnitude, "{file}");
    }
}

#[test]
fn what_lies_beside_a_network_without_labels_is_told() {
    let s2bnn = load(&golden("s2bnn-a.pth.tar")).unwrap();
    for (name, shape) in [("head.0.weight", &[32, 32][..]), ("head.2.weight", &[6, 32]), ("head.2.bias", &[6])] {
        assert_eq!(s2bnn.tensors[name].shape()[..], *shape, "{name}");
    }
    // Convolutions for channels that stay, in a block that doubles them, and the other way round.
    for idle in ["feature.1.binary_pw.weight", "feature.3.binary_pw_down1.weight", "feature.3.bn2_2.running_var"] {
        assert!(s2bnn.ignored.iter().any(|n| n.ends_with(idle)), "{idle}: {:?}", s2bnn.ignored);
    }
    // BURN's tool cuts the same network out of the file.
    let (whole, cut) = (load(&golden("burn-a.pth")).unwrap(), load(&golden("burn-a-cut.pth")).unwrap());
    assert_eq!((&whole.net, &whole.tensors), (&cut.net, &cut.tensors));
    assert_eq!(cut.ignored, ["classifier", "teacher_classifier", "author"]);
}

/// The format before PyTorch 1.6, cut anywhere and with any byte changed: refused, or the same tensors by other numbers.
#[test]
fn the_old_format_is_read_whole_or_refused() {
    let whole = fs::read(golden("cifar-resnet20.th")).unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old.th");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        load(&path)
    };
    let tensors = read(&whole).unwrap().tensors;
    let told = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    for n in (0..whole.len()).step_by(997).chain(whole.len() - 9..whole.len()) {
        let m = told(&whole[..n]);
        assert!(m.contains("old.th: ") && !m.contains('\n'), "{n}: {m}");
    }
    let m = told(&[&whole[..], b"more"].concat());
    assert!(m.contains("4 bytes lie behind its last storage"), "{m}");
    for at in (0..whole.len()).step_by(211) {
        let mut changed = whole.clone();
        changed[at] ^= 0x41;
        if let Ok(other) = read(&changed) {
            assert_eq!(other.tensors.len(), tensors.len(), "byte {at}");
        }
    }
}

/// Fails unless a file's network is as described and answers as PyTorch's does on every device.
fn answers_as_pytorch(
    file: &str,
    case: &str,
    side: usize,
    kind: NetKind,
    stem: Stem,
    widths: [usize; 5],
    classes: usize,
) {
    let foreign = load(&golden(file)).unwrap();
    assert_eq!((foreign.net.kind, foreign.net.stem, foreign.classes), (kind, Some(stem), classes), "{file}");
    assert_eq!((foreign.net.is_binary(), &foreign.net.widths[..]), (false, &widths[..]), "{file}");
    let images = images(side);
    for (device_name, device) in devices() {
        for (what, got) in ["features", "logits"].into_iter().zip(run(&foreign, &images, &device)) {
            let Some((shape, expected)) = expected(&format!("{case}/{what}")) else {
                assert!(what == "logits" && classes == 0, "{case}/{what}");
                continue;
            };
            assert_eq!(got.shape()[..], shape, "{file}: {what}");
            let largest = expected.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
            let error = got.to_f64().iter().zip(&expected).map(|(g, e)| (g - e).abs()).max_by(f64::total_cmp).unwrap();
            println!("{file} on {device_name}: {what} differ by {:.1e} of the largest", error / largest);
            assert!(
                error <= BOUND * largest,
                "{file} on {device_name}: {what} differ by {error:e}, largest {largest:e}"
            );
        }
    }
}

macro_rules! networks {
    ($($test:ident: $file:literal, $case:literal, $side:literal, $kind:ident, $stem:ident, $widths:expr, $classes:literal;)*) => {
        $(#[test]
        fn $test() {
            answers_as_pytorch($file, $case, $side, NetKind::$kind, Stem::$stem, $widths, $classes);
        })*
    };
}

networks! {
    safetensors_equal_pytorch: "resnet18.safetensors", "resnet18", 64, Resnet18, Imagenet, [8, 8, 16, 16, 16], 5;
    training_checkpoint_equals_pytorch: "resnet18.pth", "resnet18", 64, Resnet18, Imagenet, [8, 8, 16, 16, 16], 5;
    float16_equals_pytorch: "resnet18-half.pth", "resnet18-half", 64, Resnet18, Imagenet, [8, 8, 16, 16, 16], 5;
    bfloat16_equals_pytorch: "resnet34-bfloat16.safetensors", "resnet34-bfloat16", 16, Resnet34, Cifar, [4, 4, 4, 8, 8], 5;
    strided_parameters_equal_pytorch: "resnet50.pth.tar", "resnet50", 64, Resnet50, Imagenet, [8, 4, 4, 4, 4], 5;
    swav_checkpoint_equals_pytorch: "swav50.pt", "swav50", 64, Resnet50, Imagenet, [8, 4, 4, 4, 4], 0;
}

#[test]
fn formats_agree_and_the_rest_of_a_checkpoint_is_listed() {
    let (plain, wrapped) = (load(&golden("resnet18.safetensors")).unwrap(), load(&golden("resnet18.pth")).unwrap());
    assert_eq!((&plain.net, &plain.tensors), (&wrapped.net, &wrapped.tensors));
    assert_eq!(plain.tensors.len(), 20 + 4 * 20 + 2);
    assert_eq!(plain.tensors["conv1.weight"].shape()[..], [8, 7, 7, 3]);
    assert_eq!(plain.tensors["fc.weight"].shape()[..], [5, 16]);
    assert!(plain.ignored.is_empty());
    assert_eq!(wrapped.ignored, ["epoch", "arch", "best_acc1", "lr", "optimizer"]);
}

#[test]
fn the_head_of_swav_comes_along() {
    let swav = load(&golden("swav50.pt")).unwrap();
    let (shape, values) = expected("swav50/prototypes").unwrap();
    assert_eq!(swav.tensors["prototypes.weight"].shape()[..], shape);
    assert_eq!(swav.tensors["prototypes.weight"].to_f64(), values);
    for (name, shape) in [
        ("head.0.weight", &[12, 16][..]),
        ("head.1.running_mean", &[12]),
        ("head.3.weight", &[6, 12]),
        ("head.3.bias", &[6]),
    ] {
        assert_eq!(swav.tensors[name].shape()[..], *shape, "{name}");
    }
}

#[test]
fn files_of_weights_are_known_by_their_names() {
    let folder = TempDir::new().unwrap();
    for name in ["a.safetensors", "b.pt", "c.PTH", "d.pth.tar", "pytorch_model.bin"] {
        assert!(is_foreign(&folder.path().join(name)), "{name}");
    }
    for name in ["run", "a.toml", "images.tar", "b.pt.d"] {
        assert!(!is_foreign(&folder.path().join(name)), "{name}");
    }
    let run = folder.path().join("run.pt");
    fs::create_dir(&run).unwrap();
    assert!(!is_foreign(&run));
    let m = load(&folder.path().join("none.pth")).unwrap_err().to_string();
    assert!(m.contains("none.pth: cannot read"), "{m}");
}

/// Loads bytes as a file of that name.
fn load_bytes(folder: &TempDir, name: &str, bytes: &[u8]) -> Result<Foreign> {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    load(&path)
}

/// The message of what must fail.
pub fn refused(folder: &TempDir, name: &str, bytes: &[u8]) -> String {
    let m = load_bytes(folder, name, bytes).unwrap_err().to_string();
    assert!(m.contains(name), "the message does not name the file: {m}");
    m
}

/// Records of an archive: name, content.
fn unzipped(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|i| {
            let mut entry = zip.by_index(i).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.name().unwrap().into_owned(), content)
        })
        .collect()
}

pub fn zipped<'a>(records: impl IntoIterator<Item = (&'a str, &'a [u8])>, method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in records {
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A file of `torch.save` with that pickle and one storage "0" of 48 bytes.
pub fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    zipped([("a/data.pkl", pickle), ("a/byteorder", b"little"), ("a/data/0", &[0; 48])], CompressionMethod::Stored)
}

/// The pickle of a state dict of one tensor: elements of its storage, offset, shape and strides as instructions.
fn one_tensor(count: &[u8], offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let start = b"\x80\x02}X\x0c\0\0\0conv1.weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
        X\x01\0\0\x000X\x03\0\0\0cpu";
    [&start[..], count, b"tQ", offset, shape, strides, b"\x89)tRs."].concat()
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = TempDir::new().unwrap();
    for name in ["resnet18.safetensors", "resnet18.pth"] {
        let bytes = fs::read(golden(name)).unwrap();
        let ends = [0, 1, 3, 4, 7, 8, 9, 21, 22, bytes.len() - 23, bytes.len() - 22, bytes.len() - 1];
        for cut in ends.into_iter().chain((30..bytes.len()).step_by(4999)) {
            let m = refused(&folder, name, &bytes[..cut]);
            let said = if cut == 0 { "is empty" } else { "cut short" };
            // The first bytes of a zip archive tell its format.
            assert!(m.contains(said) || cut < 4, "{cut}: {m}");
        }
    }
}

#[test]
fn a_file_changed_anywhere_is_refused_or_read_as_it_was() {
    let folder = TempDir::new().unwrap();
    let bytes = fs::read(golden("resnet18.pth")).unwrap();
    let whole = load(&golden("resnet18.pth")).unwrap();
    // Records have checksums; what has none (dates, padding) says nothing of the numbers.
    let directory = bytes.len() - 12_000;
    for at in (0..directory).step_by(1499).chain((directory..bytes.len()).step_by(37)) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x15;
        match load_bytes(&folder, "a.pth", &changed) {
            Ok(read) => assert_eq!(read.tensors, whole.tensors, "byte {at}"),
            Err(e) => assert!(e.to_string().contains("a.pth"), "byte {at}: {e}"),
        }
    }
    let bytes = fs::read(golden("resnet18.safetensors")).unwrap();
    for at in 0..500 {
        let mut changed = bytes.clone();
        changed[at] ^= 0x15;
        if let Err(e) = load_bytes(&folder, "a.safetensors", &changed) {
            assert!(e.to_string().contains("a.safetensors"), "byte {at}: {e}");
        }
    }
}

#[test]
fn a_pickle_changed_anywhere_is_refused_or_read() {
    let folder = TempDir::new().unwrap();
    let records = unzipped(&fs::read(golden("resnet18-half.pth")).unwrap());
    let pickle = &records.iter().find(|(name, _)| name.ends_with("data.pkl")).unwrap().1;
    for at in (0..pickle.len()).step_by(29) {
        let mut changed = pickle.clone();
        changed[at] ^= 1 << (at % 8);
        // With the checksum of what is there now: only the reader of pickles stands guard.
        let records =
            records.iter().map(|(n, c)| (&n[..], if n.ends_with("data.pkl") { &changed[..] } else { &c[..] }));
        if let Err(e) = load_bytes(&folder, "a.pth", &zipped(records, CompressionMethod::Stored)) {
            assert!(e.to_string().contains("a.pth"), "byte {at}: {e}");
        }
    }
}

#[test]
fn a_compressed_archive_is_read_and_a_bomb_is_not() {
    let folder = TempDir::new().unwrap();
    let records = unzipped(&fs::read(golden("resnet18-half.pth")).unwrap());
    let compressed = zipped(records.iter().map(|(n, c)| (&n[..], &c[..])), CompressionMethod::Deflated);
    let read = load_bytes(&folder, "a.pth", &compressed).unwrap();
    assert_eq!(read.tensors, load(&golden("resnet18-half.pth")).unwrap().tensors);

    let zeros = vec![0; 10 << 20];
    let bomb = zipped([("a/data.pkl", &b"\x80\x02}."[..]), ("a/data/0", &zeros)], CompressionMethod::Deflated);
    let m = refused(&folder, "bomb.pth", &bomb);
    assert!(m.contains("claim to unpack to 10485764 bytes"), "{m}");
}

#[test]
fn nothing_that_a_pickle_asks_for_is_run() {
    let folder = TempDir::new().unwrap();
    let witness = folder.path().join("witness");
    let command = format!("touch {}", witness.display());
    let text = [&b"X"[..], &(command.len() as u32).to_le_bytes(), command.as_bytes()].concat();
    let m = refused(&folder, "evil.pth", &with_pickle(&[b"\x80\x02cos\nsystem\n", &text[..], b"\x85R."].concat()));
    assert!(m.contains("asks for os.system, which is refused") && m.contains("model.state_dict()"), "{m}");
    assert!(!witness.exists());
    let m = refused(&folder, "whole.pth", &with_pickle(b"\x80\x02ctorchvision.models.resnet\nResNet\n)\x81."));
    assert!(m.contains("asks for torchvision.models.resnet.ResNet"), "{m}");
}

#[test]
fn sizes_that_lie_are_refused() {
    let folder = TempDir::new().unwrap();
    // A long integer: 2^40.
    let huge = b"\x8a\x06\0\0\0\0\0\x01";
    let vector = |n: &[u8]| [n, b"\x85"].concat();
    for (count, offset, shape, stride, said) in [
        (&huge[..], &b"K\0"[..], &huge[..], &b"K\x01"[..], "48 bytes and should have 1099511627776 numbers"),
        (b"K\x0d", b"K\0", b"K\x0c", b"K\x01", "48 bytes and should have 13 numbers"),
        (b"K\x0c", b"K\0", huge, b"K\x01", "leaves its storage of 12 numbers"),
        (b"K\x0c", b"K\0", huge, b"K\0", "leaves its storage of 12 numbers"),
        (b"K\x0c", b"K\x01", b"K\x0c", b"K\x01", "leaves its storage of 12 numbers"),
        (b"K\x0c", huge, b"K\x0c", b"K\x01", "leaves its storage of 12 numbers"),
        (b"K\x0c", b"K\0", b"K\x02", huge, "leaves its storage of 12 numbers"),
        (b"K\x0c", b"J\xff\xff\xff\xff", b"K\x0c", b"K\x01", "a shape and strides"),
        (b"K\x0c", b"K\0", b"J\xff\xff\xff\xff", b"K\x01", "up to 8 sizes"),
        (b"J\xff\xff\xff\xff", b"K\0", b"K\x0c", b"K\x01", "a storage of -1 numbers"),
        (b"K\x0c", b"K\0", b"K\0", b"K\x01", "conv1.weight is empty"),
    ] {
        let m = refused(&folder, "a.pth", &with_pickle(&one_tensor(count, offset, &vector(shape), &vector(stride))));
        assert!(m.contains(said), "{said}: {m}");
    }
    // One storage under many names: a small file must not become a large network.
    let one = one_tensor(b"M\0\x10", b"K\0", b"M\0\x10\x85", b"K\x01\x85");
    let key = 3..3 + 5 + "conv1.weight".len();
    let mut many = b"\x80\x02}(".to_vec();
    for i in 0..50 {
        let name = format!("layer1.{i}.conv1.weight");
        many.extend([&b"X"[..], &(name.len() as u32).to_le_bytes(), name.as_bytes()].concat());
        many.extend(&one[key.end..one.len() - 2]);
    }
    many.extend(b"u.");
    let shared = zipped([("a/data.pkl", &many[..]), ("a/data/0", &[0; 4 * 4096])], CompressionMethod::Stored);
    let m = refused(&folder, "a.pth", &shared);
    assert!(m.contains("204800 numbers in all") && m.contains("share one storage"), "{m}");
}

#[test]
fn a_record_that_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    let records = unzipped(&fs::read(golden("resnet18-half.pth")).unwrap());
    let kept = records.iter().filter(|(n, _)| !n.ends_with("/data/7")).map(|(n, c)| (&n[..], &c[..]));
    let m = refused(&folder, "a.pth", &zipped(kept, CompressionMethod::Stored));
    assert!(m.contains("record \"data/7\" is missing"), "{m}");
}

#[test]
fn other_files_are_told_what_they_are() {
    let folder = TempDir::new().unwrap();
    let stored = |name: &str| zipped([(name, &b"\x80\x02]."[..])], CompressionMethod::Stored);
    for (name, bytes, said) in [
        ("a.pth", fs::read(golden("resnet18-old.pth")).unwrap(), "there is no conv1.weight"),
        ("b.pt", fs::read(golden("../foreign.py")).unwrap(), "the file is text"),
        ("c.pt", stored("weights.npy"), "no record data.pkl"),
        ("d.pt", stored("a/data.pkl"), "it holds a list"),
        ("e.pt", with_pickle(b"\x80\x02}X\x05\0\0\0epochK\x03s."), "its entries are epoch"),
        ("f.safetensors", b"not quite".to_vec(), "f.safetensors"),
    ] {
        let m = refused(&folder, name, &bytes);
        assert!(m.contains(said), "{m}");
    }
}

/// The tensors of the safetensors file, changed.
fn rewritten(change: impl FnOnce(&mut HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>)) -> Vec<u8> {
    let bytes = fs::read(golden("resnet18.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: HashMap<_, _> =
        file.iter().map(|(n, t)| (n.to_string(), (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(n, (d, s, b))| (n, TensorView::new(*d, s.clone(), b).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn tensors_that_are_missing_or_too_many_are_named() {
    let folder = TempDir::new().unwrap();
    let missing = rewritten(|t| {
        t.remove("layer3.1.bn2.running_var").unwrap();
        t.remove("fc.bias").unwrap();
    });
    let m = refused(&folder, "a.safetensors", &missing);
    assert!(m.contains("missing: fc.bias [5], layer3.1.bn2.running_var [16]"), "{m}");

    let excited = rewritten(|t| {
        let se = (Dtype::F32, vec![1], vec![0; 4]);
        t.extend((0..30).map(|i| (format!("layer1.0.se.{i}.weight"), se.clone())));
    });
    let m = refused(&folder, "a.safetensors", &excited);
    assert!(m.contains("no place in it: layer1.0.se.") && m.contains(" and 10 more"), "{m}");
    assert_eq!(m.matches("layer1.0.se.").count(), 20, "{m}");
    assert!(m.contains("ResNet-18, -34 and -50 of torchvision"), "{m}");

    let misshapen = rewritten(|t| t.get_mut("layer2.0.downsample.0.weight").unwrap().1 = vec![8, 16, 1, 1]);
    let m = refused(&folder, "a.safetensors", &misshapen);
    assert!(m.contains("layer2.0.downsample.0.weight is [8, 16, 1, 1] instead of [16, 8, 1, 1]"), "{m}");

    let not_a_number = rewritten(|t| t.get_mut("bn1.bias").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    let m = refused(&folder, "a.safetensors", &not_a_number);
    assert!(m.contains("bn1.bias: element 0 is NaN"), "{m}");
    let quantised = rewritten(|t| t.get_mut("bn1.bias").unwrap().0 = Dtype::I32);
    let m = refused(&folder, "a.safetensors", &quantised);
    assert!(m.contains("bn1.bias is of type I32"), "{m}");
}

#[test]
fn a_checkpoint_of_onebit_is_named_by_its_run() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("last.safetensors");
    let tensors = load(&golden("resnet18.safetensors")).unwrap().tensors;
    onebit::tensor_file::save(&path, &tensors, &"about").unwrap();
    let m = load(&path).unwrap_err().to_string();
    assert!(m.contains("written by onebit itself: name the run directory"), "{m}");
}
