//! Networks from ONNX files: the tests of operators that come with the onnx package, made by others, and whole networks that
//! PyTorch would export.

use crate::golden::golden;
use crate::python::python;
use onebit::device::{Device, Store};
use onebit::foreign;
use onebit::foreign::onnx::{Imported, import};
use onebit::graph::{Graph, Meta};
use onebit::nn::{Builder, Mode, NetKind, NetSpec};
use onebit::tensor::HostTensor;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn script(name: &str, package: &str, out: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let made = Command::new(python(package)).arg(script).arg(out).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Extents and numbers of a file of the script.
fn numbers(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let words = bytes.as_chunks::<4>().0;
    let n = u32::from_le_bytes(words[0]) as usize;
    let shape = words[1..=n].iter().map(|w| u32::from_le_bytes(*w) as usize).collect();
    (shape, words[n + 1..].iter().map(|w| f32::from_le_bytes(*w)).collect())
}

/// The axes of images from NCHW to NHWC.
fn turned(shape: &[usize], x: &[f32]) -> (Vec<usize>, Vec<f32>) {
    let &[n, c, h, w] = shape else { return (shape.to_vec(), x.to_vec()) };
    let at = |i: usize| {
        let (channel, column, row, image) = (i % c, i / c % w, i / c / w % h, i / c / w / h);
        x[((image * c + channel) * h + row) * w + column]
    };
    (vec![n, h, w, c], (0..n * c * h * w).map(at).collect())
}

/// What a network makes of an input, on the CPU.
fn output(imported: &Imported, shape: &[usize], x: &[f32]) -> Result<(Vec<usize>, Vec<f32>), String> {
    let spec = NetSpec::new(NetKind::Convnet, false);
    let mut g = Graph::new();
    let mut build = || {
        let x = g.input("x", Meta::f32(shape.to_vec()))?;
        let mut b = Builder::new(&mut g, &spec, Mode::Eval, None)?;
        let y = b.layers(&imported.layers, x, imported.classes)?;
        b.finish(y);
        g.output("y", y);
        Ok(())
    };
    build().map_err(|e: onebit::error::Error| e.to_string())?;
    let leaves: Vec<String> = g.params().into_iter().chain(g.states()).map(|v| g.name(v).to_string()).collect();
    assert!(leaves.iter().all(|l| imported.tensors.contains_key(l)), "{leaves:?}");
    let mut store = Store::new(Device::Cpu);
    let mut exe = store.load(g).unwrap();
    for (name, t) in &imported.tensors {
        store.write(name, t).unwrap();
    }
    store.write("x", &HostTensor::from_f32(shape.to_vec(), x.to_vec())).unwrap();
    exe.run(&[]).unwrap();
    let y = exe.read("y").unwrap();
    Ok((y.shape().to_vec(), y.f32s().to_vec()))
}

#[test]
fn operators_give_the_numbers_of_the_onnx_package_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    script("onnx_cases.py", "onnx", folder.path());
    let mut cases: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path()).collect();
    cases.sort();
    let (mut passed, mut refused) = (Vec::new(), BTreeMap::new());
    for case in &cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let (shape, x) = numbers(&case.join("input.bin"));
        let (expected_shape, expected) = numbers(&case.join("output.bin"));
        let made = import(&case.join("model.onnx")).map_err(|e| e.to_string()).and_then(|imported| {
            let (own_shape, own) = turned(&shape, &x);
            output(&imported, &own_shape, &own).map(|made| (made, imported.classes))
        });
        match made {
            Err(why) => {
                // In one sentence that names the file.
                assert!(!why.contains('\n') && why.contains("model.onnx: "), "{name}: {why}");
                refused.insert(name, why);
            }
            Ok(((_, y), classes)) => {
                // Maps back to the package's order of axes, and what a loss takes to what a Softmax gives.
                let y = match expected_shape[..] {
                    [n, c, h, w] => {
                        let at = |i: usize| {
                            let (column, row, channel, image) = (i % w, i / w % h, i / w / h % c, i / w / h / c);
                            y[((image * h + row) * w + column) * c + channel]
                        };
                        (0..n * c * h * w).map(at).collect()
                    }
                    // A flattened map, whose numbers have our order.
                    [_, _] if shape.len() == 4 && y.len() == x.len() => {
                        let [n, c, h, w] = shape[..] else { unreachable!("four extents") };
                        let at = |i: usize| {
                            let (column, row, channel, image) = (i % w, i / w % h, i / w / h % c, i / w / h / c);
                            y[((image * h + row) * w + column) * c + channel]
                        };
                        (0..n * c * h * w).map(at).collect()
                    }
                    _ if name.to_lowercase().contains("softmax") && classes > 0 => probabilities(&y, classes),
                    _ => y,
                };
                assert_eq!(y.len(), expected.len(), "{name}");
                let scale = expected.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
                let far = y.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(far <= 1e-5 * scale, "{name}: {far} of {scale}");
                passed.push(name);
            }
        }
    }
    println!("{} of {} pass: {}", passed.len(), cases.len(), passed.join(" "));
    refused.iter().for_each(|(name, why)| println!("{name}: {why}"));
    assert!(passed.len() >= 40, "{} of {}", passed.len(), cases.len());
    for must in [
        "test_Conv2d_depthwise",
        "test_Conv2d_dilated",
        "test_BatchNorm2d_eval",
        "test_MaxPool2d",
        "test_gemm_transposeB",
        "test_conv_with_strides_and_asymmetric_padding",
    ] {
        assert!(passed.iter().any(|p| p == must), "{must}: {:?}", refused.get(must));
    }
}

/// Three networks that PyTorch 2.15 exported (torch.onnx.export), with an input and what PyTorch makes of it: depthwise and dilated
/// convolutions, a gate, channels side by side, a flattened map, an eps of its own; probabilities of a mean over pixels; maps
/// flattened by extents that the file computes.
#[test]
fn networks_of_pytorch_give_its_outputs() {
    for (name, classes) in [("mixed", 5), ("small", 6), ("viewed", 5)] {
        let file = |ending: &str| golden(&format!("onnx/{name}.{ending}"));
        let foreign = foreign::load(&file("onnx")).unwrap();
        assert_eq!(foreign.classes, classes, "{name}");
        foreign.net.validate().unwrap();
        let imported = import(&file("onnx")).unwrap();
        let ((shape, x), (_, expected)) = (numbers(&file("input.bin")), numbers(&file("output.bin")));
        let (shape, x) = turned(&shape, &x);
        let (_, y) = output(&imported, &shape, &x).unwrap();
        let y = if name == "small" { probabilities(&y, classes) } else { y };
        assert_eq!(y.len(), expected.len());
        let far = y.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let scale = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        println!("{name}: {far} of {scale}");
        assert!(far <= 1e-5 * scale.max(1.0), "{name}: {far} of {scale}");
    }
}

/// The softmax of rows.
fn probabilities(y: &[f32], classes: usize) -> Vec<f32> {
    let row = |row: &[f32]| {
        let e: Vec<f64> = row.iter().map(|v| f64::from(*v).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|v| (v / sum) as f32).collect::<Vec<f32>>()
    };
    y.chunks(classes).flat_map(row).collect()
}

#[test]
fn what_is_no_network_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = |bytes: &[u8]| {
        let path = folder.path().join("some.onnx");
        std::fs::write(&path, bytes).unwrap();
        foreign::load(&path).unwrap_err().to_string()
    };
    for bytes in [&b"no protocol buffer"[..], b"", &[8, 1], &[0xff; 100]] {
        let e = error(bytes);
        assert!(e.contains("some.onnx") && e.contains("ONNX"), "{e}");
    }
    // Field 2 of a model is who made it.
    let e = error(b"\x08\x08\x12\x06onebit");
    assert!(e.contains("some.onnx: is what onebit export wrote") && e.contains("run directory"), "{e}");
    assert!(foreign::load(&folder.path().join("none.onnx")).unwrap_err().to_string().contains("none.onnx"));
}
