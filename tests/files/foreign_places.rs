//! Where weights lie: folders of Hugging Face's transformers against its own answers on every device, shards, Lightning's checkpoints;
//! and what is none of it, refused for what it is.

use crate::foreign::{golden, refused, release_answers_as_pytorch, with_pickle};
use onebit::foreign::{files, is_foreign, is_named_foreign, load};
use onebit::nn::NetKind;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder of the golden ones, to change.
fn copied(name: &str) -> (TempDir, PathBuf) {
    let place = TempDir::new().unwrap();
    let folder = place.path().join(name);
    fs::create_dir(&folder).unwrap();
    for file in fs::read_dir(golden(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    (place, folder)
}

/// Changes a file of JSON.
fn rewrite(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// The message of what must fail, which names the path.
fn told(path: &Path) -> String {
    let m = load(path).unwrap_err().to_string();
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(m.contains(&*name) && !m.contains('\n'), "{m}");
    m
}

#[test]
fn folders_of_transformers_equal_its_own_answers() {
    let answers = "expected_transformers.safetensors";
    let basic = release_answers_as_pytorch("hf-resnet18", "hf-resnet18", answers, "images");
    assert_eq!((basic.net.kind, basic.classes, basic.net.is_binary()), (NetKind::Resnet18, 5, false));
    assert_eq!(basic.labels, ["emu", "dog", "cow", "bee", "ant"]);
    assert_eq!(basic.stats, Some([vec![0.5, 0.4, 0.3], vec![0.2, 0.25, 0.3]]));
    // A file of the folder stands for it, and so does the index of shards.
    assert_eq!(load(&golden("hf-resnet18/model.safetensors")).unwrap().labels, basic.labels);
    let sharded = release_answers_as_pytorch("hf-resnet50", "hf-resnet50", answers, "images");
    assert_eq!((sharded.net.kind, sharded.classes, sharded.stats), (NetKind::Resnet50, 5, None));
    assert!(sharded.labels.is_empty(), "LABEL_0 is no name");
    let by_index = load(&golden("hf-resnet50/model.safetensors.index.json")).unwrap();
    assert_eq!((&by_index.net, &by_index.tensors), (&sharded.net, &sharded.tensors));
    assert!(files(&golden("hf-resnet50")).unwrap().len() >= 4);
}

#[test]
fn what_a_configuration_says_is_kept_or_refused() {
    let (_place, folder) = copied("hf-resnet18");
    let config = folder.join("config.json");
    for (key, value, said) in [
        ("hidden_act", json!("silu"), "hidden_act is \"silu\""),
        ("layer_type", json!("bottleneck"), "another layer_type"),
        ("downsample_in_first_stage", json!(true), "downsample_in_first_stage"),
        ("model_type", json!("vit"), "model_type is \"vit\""),
        ("id2label", json!({"0": "ant"}), "names 1 classes"),
    ] {
        let before = fs::read(&config).unwrap();
        rewrite(&config, |c| c[key] = value);
        let m = load(&folder).unwrap_err().to_string();
        assert!(m.contains(said) && m.contains("hf-resnet18"), "{m}");
        fs::write(&config, before).unwrap();
    }
    fs::write(&config, "{").unwrap();
    assert!(load(&folder).unwrap_err().to_string().contains("config.json: it is no JSON"));
    fs::remove_file(&config).unwrap();
    fs::remove_file(folder.join("preprocessor_config.json")).unwrap();
    let bare = load(&folder).unwrap();
    assert!(bare.labels.is_empty() && bare.stats.is_none());
    // As timm writes it.
    let pretrained = json!({"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]});
    fs::write(&config, json!({"architecture": "resnet18.a1_in1k", "pretrained_cfg": pretrained}).to_string()).unwrap();
    fs::copy(golden("resnet18.safetensors"), folder.join("model.safetensors")).unwrap();
    assert_eq!(load(&folder).unwrap().stats, Some([vec![0.5; 3], vec![0.25; 3]]));
    fs::write(&config, json!({"architecture": "resnetblur18"}).to_string()).unwrap();
    assert!(load(&folder).unwrap_err().to_string().contains("\"resnetblur18\""));
    // PyTorch's file of such a folder.
    fs::remove_file(&config).unwrap();
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    fs::copy(golden("resnet18.pth"), folder.join("pytorch_model.bin")).unwrap();
    assert_eq!(load(&folder).unwrap().tensors, load(&golden("resnet18.pth")).unwrap().tensors);
}

#[test]
fn shards_are_what_their_index_says() {
    let (_place, folder) = copied("hf-resnet50");
    let index = folder.join("model.safetensors.index.json");
    let whole = fs::read(&index).unwrap();
    let shard = "model-00002-of-00003.safetensors";
    assert!(folder.join(shard).is_file());
    let moved = folder.join("elsewhere");
    fs::rename(folder.join(shard), &moved).unwrap();
    let m = told(&index);
    assert!(m.contains(&format!("its shard {shard} is missing")), "{m}");
    // Another shard in its place: its tensors lie elsewhere by the index.
    fs::copy(folder.join("model-00001-of-00003.safetensors"), folder.join(shard)).unwrap();
    let m = load(&folder).unwrap_err().to_string();
    assert!(m.contains(shard) && m.contains("or in another shard too"), "{m}");
    fs::rename(&moved, folder.join(shard)).unwrap();
    for (change, said) in [
        (json!({"classifier.1.bias": "../model.safetensors"}), "nowhere else"),
        (json!({"classifier.1.bias": "model-00001-of-00003.safetensors"}), "lies here, and by the index in"),
        (json!({"one.more.weight": "model-00001-of-00003.safetensors"}), "it has one.more.weight, which is not in it"),
    ] {
        rewrite(&index, |i| i["weight_map"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone()));
        let m = load(&folder).unwrap_err().to_string();
        assert!(m.contains(said), "{m}");
        fs::write(&index, &whole).unwrap();
    }
    rewrite(&index, |i| drop(i["weight_map"].as_object_mut().unwrap().remove("classifier.1.bias")));
    assert!(load(&folder).unwrap_err().to_string().contains("classifier.1.bias is in no entry of the index"));
    // Changed anywhere: refused, or read as it was.
    let tensors = load(&golden("hf-resnet50")).unwrap().tensors;
    for at in (0..whole.len()).step_by(97) {
        let mut changed = whole.clone();
        changed[at] ^= 0x11;
        fs::write(&index, changed).unwrap();
        if let Ok(read) = load(&folder) {
            assert_eq!(read.tensors, tensors, "byte {at}");
        }
    }
    for end in (0..whole.len()).step_by(501) {
        fs::write(&index, &whole[..end]).unwrap();
        told(&index);
    }
}

#[test]
fn checkpoints_of_lightning_are_state_dicts_among_much_else() {
    let read = load(&golden("lightning.ckpt")).unwrap();
    let plain = load(&golden("siman-resnet20.pth.tar")).unwrap();
    assert_eq!((&read.net, &read.tensors), (&plain.net, &plain.tensors));
    for beside in ["pytorch-lightning_version", "callbacks", "hyper_parameters", "optimizer_states", "loops"] {
        assert!(read.ignored.iter().any(|n| n == beside), "{beside}: {:?}", read.ignored);
    }
}

#[test]
fn every_path_is_opened_or_refused_for_what_it_is() {
    let place = TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name);
    // Of any ending, as long as it is no recipe and no packed model.
    fs::copy(golden("resnet18.safetensors"), at("weights")).unwrap();
    assert!(is_foreign(&at("weights")) && !is_named_foreign(&at("weights")));
    assert_eq!(load(&at("weights")).unwrap().classes, 5);
    for name in ["recipe.toml", "model.1bit"] {
        fs::write(at(name), "").unwrap();
        assert!(!is_foreign(&at(name)), "{name}");
    }
    for (name, bytes, said) in [
        ("a.pth", &b""[..], "the file is empty"),
        ("b.pth", b"<!DOCTYPE html><html>", "the file is a web page: the download went wrong"),
        ("c.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("d.h5", b"\x89HDF\r\n\x1a\n\0\0", "HDF5 file, as Keras"),
        ("e.gguf", b"GGUF\x03\0\0\0", "GGUF"),
        ("f.txt", b"no weights\n", "the file is text"),
        (
            "g.pkl",
            b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x15numpy.core.multiarray\x94",
            "a Python pickle that torch.save did not write",
        ),
        ("h.onnx", b"<html>", "no ONNX file but a web page"),
        ("config.json", b"{}", "is JSON"),
        ("i.npy", b"\x93NUMPY\x01\0v\0", "array of numpy"),
        ("j", b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09", "of no format that is known"),
        ("k.index.json", b"{}", "weight_map"),
    ] {
        let m = refused(&place, name, bytes);
        assert!(m.contains(said), "{m}");
        assert!(is_foreign(&at(name)), "{name}");
    }
    for (name, records, said) in [
        ("a.npz", &[("conv.npy", &b"\x93NUMPY"[..]), ("fc.npy", b"\x93NUMPY")][..], "arrays of numpy (.npz)"),
        ("b.keras", &[("metadata.json", b"{}"), ("model.weights.h5", b"\x89HDF")], "model of Keras"),
        ("c.zip", &[("readme.txt", b"hello")], "no record data.pkl"),
    ] {
        let m = refused(&place, name, &crate::foreign::zipped(records.iter().copied(), zip::CompressionMethod::Stored));
        assert!(m.contains(said), "{m}");
    }
    // Of state dicts one level deeper the one is taken that is called so, or the only one.
    let m = refused(&place, "deep.pth", &with_pickle(b"\x80\x02}X\x01\0\0\0a}X\x01\0\0\0b}sss."));
    assert!(m.contains("deep.pth"), "{m}");
    fs::create_dir(at("folder")).unwrap();
    assert!(!is_foreign(&at("folder")));
    assert!(told(&at("folder")).contains("the folder has none of model.safetensors"));
    fs::write(at("folder/config.json"), "{}").unwrap();
    assert!(told(&at("folder")).contains("has a config.json, and none of"));
}
