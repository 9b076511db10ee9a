//! Tensors and their storages, as the calls of a pickle name them.

use super::super::Checked;
use super::super::floats::Float;
use crate::pickle::{Pickled, Rules, Value};
use std::collections::HashMap;

/// Axes that a tensor may have.
const MOST_AXES: usize = 8;

/// What a state dict asks for, and nothing that could run anything.
pub(super) const RULES: Rules = Rules {
    pickle: "its pickle data.pkl",
    names: &[
        REBUILD_TENSOR,
        REBUILD_FIRST,
        REBUILD_PARAMETER,
        ("torch", "HalfStorage"),
        ("torch", "BFloat16Storage"),
        ("torch", "FloatStorage"),
        ("torch", "DoubleStorage"),
        ("torch", "LongStorage"),
        ("torch", "IntStorage"),
        ("torch", "ShortStorage"),
        ("torch", "CharStorage"),
        ("torch", "ByteStorage"),
        ("torch", "BoolStorage"),
    ],
    refusal: "weights need only tensors and dictionaries, and nothing that a file asks for is run. Save the weights alone: \
              torch.save(model.state_dict(), \"weights.pth\"), or from a checkpoint that you trust \
              torch.save(torch.load(FILE, weights_only=False)[\"state_dict\"], \"weights.pth\")",
    remedy: "save the weights alone: torch.save(model.state_dict(), \"weights.pth\")",
};

const REBUILD_TENSOR: (&str, &str) = ("torch._utils", "_rebuild_tensor_v2");
/// Of the first versions.
const REBUILD_FIRST: (&str, &str) = ("torch._utils", "_rebuild_tensor");
const REBUILD_PARAMETER: (&str, &str) = ("torch._utils", "_rebuild_parameter");

/// The numbers of a storage by its type's name: floats, or others by their name.
fn numbers(storage: &str) -> Option<(Option<Float>, &'static str)> {
    Some(match storage {
        "HalfStorage" => (Some(Float::F16), "float16"),
        "BFloat16Storage" => (Some(Float::Bf16), "bfloat16"),
        "FloatStorage" => (Some(Float::F32), "float32"),
        "DoubleStorage" => (Some(Float::F64), "float64"),
        "LongStorage" => (None, "int64"),
        "IntStorage" => (None, "int32"),
        "ShortStorage" => (None, "int16"),
        "CharStorage" => (None, "int8"),
        "ByteStorage" => (None, "uint8"),
        "BoolStorage" => (None, "bool"),
        _ => return None,
    })
}

/// Numbers in a record of their own.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    /// `None` if they are no floats.
    pub(super) float: Option<Float>,
    /// Their type by its name.
    pub(super) kind: &'static str,
    /// How many.
    pub(super) count: usize,
}

/// A view of a storage.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) view: View,
}

/// Which elements of a storage: the first one, and for each axis how many and how far apart.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct View {
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Whether a value is a tensor, or a parameter made of one.
pub(super) fn is_tensor(pickled: &Pickled<'_>, v: Value<'_>) -> bool {
    pickled.call(v).is_some_and(|(call, _)| [REBUILD_TENSOR, REBUILD_FIRST, REBUILD_PARAMETER].contains(&call.callee))
}

/// The tensor that a value is, or `None` if it is something else.
///
/// # Errors
/// If it is one, but not as `torch.save` writes it.
pub(super) fn tensor<'a>(pickled: &Pickled<'a>, v: Value<'a>) -> Checked<Option<Tensor<'a>>> {
    let bad =
        |what: &str| format!("{what} that torch.save does not write: the file is damaged, or of an unknown version");
    let Some((mut call, mut arguments)) = pickled.call(v) else { return Ok(None) };
    if call.callee == REBUILD_PARAMETER {
        let inner = arguments.first().and_then(|inner| pickled.call(*inner));
        (call, arguments) = inner.ok_or_else(|| bad("a parameter without a tensor"))?;
    }
    if ![REBUILD_TENSOR, REBUILD_FIRST].contains(&call.callee) {
        return Ok(None);
    }
    let &[storage, Value::Int(offset), shape, strides, ..] = arguments else { return Err(bad("a call")) };
    let storage = self::storage(pickled, storage)?.ok_or_else(|| bad("a tensor without a storage"))?;
    let (shape, strides) = (sizes(pickled, shape)?, sizes(pickled, strides)?);
    let offset = usize::try_from(offset).ok().filter(|_| shape.len() == strides.len());
    let offset = offset.ok_or_else(|| bad("a tensor with a shape and strides"))?;
    Ok(Some(Tensor { storage, view: View { offset, shape, strides } }))
}

/// ("storage", type, key, device, count) as a storage; before PyTorch 1.6 with what it is a view of, which is nothing.
fn storage<'a>(pickled: &Pickled<'a>, v: Value<'a>) -> Checked<Option<Storage<'a>>> {
    let parts = pickled.persistent(v).and_then(|id| pickled.tuple(id));
    let Some(
        &[Value::Text("storage"), Value::Global(("torch", name)), Value::Text(key), _, Value::Int(n), ref rest @ ..],
    ) = parts
    else {
        return Ok(None);
    };
    match rest {
        [] | [Value::None] => {}
        [_] => return Err("one of its storages is a view of another one, which is not read: save it again".into()),
        _ => return Ok(None),
    }
    let Some((float, kind)) = numbers(name) else { return Ok(None) };
    let count = usize::try_from(n).map_err(|_| format!("a storage of {n} numbers: the file is damaged"))?;
    Ok(Some(Storage { key, float, kind, count }))
}

/// The bytes of a number of each storage that a pickle names, by its key.
pub(super) fn widths(pickled: &Pickled<'_>) -> Checked<HashMap<String, usize>> {
    let mut all = HashMap::new();
    for i in 0..pickled.nodes.len() {
        if let Some(Storage { key, float, kind, .. }) = storage(pickled, Value::Node(i))? {
            let width = float.map_or_else(|| whole(kind), Float::bytes);
            if all.insert(key.to_string(), width).is_some_and(|other| other != width) {
                return Err(format!("its storage {key} is of two types: the file is damaged"));
            }
        }
    }
    Ok(all)
}

/// Bytes of a number that is no float.
fn whole(kind: &str) -> usize {
    match kind {
        "int64" => 8,
        "int32" => 4,
        "int16" => 2,
        _ => 1,
    }
}

/// A tuple of sizes.
fn sizes(pickled: &Pickled<'_>, v: Value<'_>) -> Checked<Vec<usize>> {
    let items = pickled.tuple(v).filter(|items| items.len() <= MOST_AXES);
    let size = |v: &Value<'_>| if let Value::Int(n) = v { usize::try_from(*n).ok() } else { None };
    let sizes = items.and_then(|items| items.iter().map(size).collect());
    sizes.ok_or_else(|| format!("a tensor whose shape or strides are not up to {MOST_AXES} sizes: the file is damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_a_view_of_a_storage() {
        let of = |offset: &[u8], shape: &[u8], outer: (&[u8], &[u8])| {
            let rest = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x007N\
                K\x0ctQ";
            let pickle =
                [&b"\x80\x02"[..], outer.0, rest, offset, shape, b"K\x03K\x01\x86\x89}tR", outer.1, b"."].concat();
            let pickled = crate::pickle::run(&pickle, &RULES)?;
            let found = tensor(&pickled, pickled.root)?.ok_or("no tensor")?;
            assert!(is_tensor(&pickled, pickled.root));
            assert_eq!(found.storage, Storage { key: "7", float: Some(Float::F32), kind: "float32", count: 12 });
            Ok::<View, String>(found.view)
        };
        let parameter: (&[u8], &[u8]) = (b"ctorch._utils\n_rebuild_parameter\n", b"\x88}\x87R");
        for outer in [(&b""[..], &b""[..]), parameter] {
            let view = of(b"K\x02", b"K\x02K\x03\x86", outer).unwrap();
            assert_eq!(view, View { offset: 2, shape: vec![2, 3], strides: vec![3, 1] });
            assert!(of(b"N", b"K\x02K\x03\x86", outer).unwrap_err().contains("a call"));
            assert!(of(b"K\x02", b"K\x02\x85", outer).unwrap_err().contains("a shape and strides"));
            assert!(of(b"K\x02", b"N", outer).unwrap_err().contains("8 sizes"));
        }
    }
}
