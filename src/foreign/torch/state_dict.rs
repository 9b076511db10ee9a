//! Finds the state dict in what a pickle makes: the whole of it, or one entry of a dictionary that also has epochs and
//! optimisers.

use super::super::Checked;
use super::tensor::{Tensor, is_tensor, tensor};
use crate::pickle::{Pickled, Value};
use std::collections::HashSet;

/// Entries that are taken before others, in this order.
const USUAL: [&str; 6] = ["state_dict", "model_state_dict", "model", "net", "network", "backbone"];

/// Letters that a tensor's name may have.
const LONGEST_NAME: usize = 512;

pub(super) struct StateDict<'a> {
    /// Tensors by name, in order.
    pub(super) tensors: Vec<(&'a str, Tensor<'a>)>,
    /// Names of what else there is.
    pub(super) ignored: Vec<String>,
}

pub(super) fn find<'a>(pickled: &Pickled<'a>) -> Checked<StateDict<'a>> {
    let top = pickled.dict(pickled.root).ok_or_else(|| {
        format!(
            "it holds {} and not the tensors of a network by their names; write it with torch.save(model.state_dict(), \
             \"weights.pth\")",
            pickled.what(pickled.root)
        )
    })?;
    if has_layers(pickled, top) {
        return read(pickled, top, Vec::new());
    }
    let mut inner: Vec<(&str, &Entries<'a>)> = Vec::new();
    for (key, value) in top {
        let Value::Text(key) = key else { continue };
        // Those of several networks may be a state dict in a dictionary each.
        let deeper = pickled.get(*value, "state_dict").and_then(|inner| pickled.dict(inner));
        for entries in pickled.dict(*value).into_iter().chain(deeper) {
            if has_layers(pickled, entries) {
                inner.push((key, entries));
            }
        }
    }
    let usual = USUAL.iter().find_map(|name| inner.iter().find(|(key, _)| key == name));
    let (chosen, entries) = match (usual, &inner[..]) {
        (Some(one), _) | (None, [one]) => *one,
        (None, []) => {
            return Err(format!(
                "it has no tensors with names such as \"layer1.0.conv1.weight\", neither at the top nor below; its \
                 entries are {}. Write it with torch.save(model.state_dict(), \"weights.pth\")",
                listed(top.iter().map(|(k, _)| named(*k)))
            ));
        }
        (None, many) => {
            return Err(format!(
                "it holds several networks ({}): save one of them alone, torch.save(torch.load(FILE)[NAME], \"weights.pth\")",
                listed(many.iter().map(|(k, _)| shortened(k)))
            ));
        }
    };
    let others = top.iter().filter(|(k, _)| *k != Value::Text(chosen)).map(|(k, _)| named(*k)).collect();
    read(pickled, entries, others)
}

type Entries<'a> = [(Value<'a>, Value<'a>)];

/// Whether it has tensors of layers. What optimisers keep of a tensor has no dot in its name.
fn has_layers(pickled: &Pickled<'_>, entries: &Entries<'_>) -> bool {
    let of_layer = |k: &Value<'_>| matches!(k, Value::Text(name) if name.contains('.'));
    entries.iter().any(|(k, v)| of_layer(k) && is_tensor(pickled, *v))
}

fn read<'a>(pickled: &Pickled<'a>, entries: &Entries<'a>, mut ignored: Vec<String>) -> Checked<StateDict<'a>> {
    let (mut tensors, mut seen) = (Vec::new(), HashSet::new());
    for (key, value) in entries {
        match (key, tensor(pickled, *value)?) {
            (Value::Text(name), Some(t)) => {
                if name.len() > LONGEST_NAME {
                    return Err(format!("a tensor's name has {} letters: the file is damaged", name.len()));
                }
                if !seen.insert(*name) {
                    return Err(format!("it has two tensors called {name}: the file is damaged"));
                }
                tensors.push((*name, t));
            }
            _ => ignored.push(named(*key)),
        }
    }
    Ok(StateDict { tensors, ignored })
}

fn named(key: Value<'_>) -> String {
    match key {
        Value::Text(text) => shortened(text),
        Value::Int(n) => n.to_string(),
        other => format!("{other:?}"),
    }
}

fn shortened(text: &str) -> String {
    text.escape_debug().take(80).collect()
}

/// The first few of them.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(8);
    let first: Vec<String> = names.take(8).collect();
    match (more, first.is_empty()) {
        (_, true) => "none".into(),
        (0, _) => first.join(", "),
        (more, _) => format!("{} and {more} more", first.join(", ")),
    }
}
