//! A profile in the Trace Event Format, which Perfetto and chrome://tracing open.
//!
//! One process; a row for the host's plain step, and rows for passes, layers and nodes of one profiled step on the
//! device. The clocks of host and device are not the same: both rows begin at 0.

use super::report::{Node, Profile};
use serde_json::{Value, json};

const PROCESS: u32 = 1;
const HOST: u32 = 1;
const PASSES: u32 = 2;
const LAYERS: u32 = 3;
const NODES: u32 = 4;

/// The trace as JSON.
pub fn trace(profile: &Profile) -> Value {
    let mut events = vec![named("process_name", 0, &format!("onebit {} on {}", profile.recipe, profile.device))];
    for (row, name) in [(HOST, "host, plain step"), (PASSES, "pass"), (LAYERS, "layer"), (NODES, "node")] {
        events.push(named("thread_name", row, name));
        events.push(json!({
            "name": "thread_sort_index", "ph": "M", "pid": PROCESS, "tid": row, "args": { "sort_index": row },
        }));
    }
    let h = &profile.host;
    let mut at = 0.0;
    for (name, us) in [("data", h.data_us), ("encode", h.encode_us), ("submit", h.submit_us), ("wait", h.wait_us)] {
        events.push(slice(HOST, name, "host", at, us, json!({})));
        at += us;
    }
    let mut nodes: Vec<&Node> = profile.nodes.iter().collect();
    nodes.sort_by(|a, b| a.start_us.total_cmp(&b.start_us));
    merged(&nodes, PASSES, |n| n.pass.clone(), &mut events);
    merged(&nodes, LAYERS, |n| n.layer.clone(), &mut events);
    for n in &nodes {
        let mut args = json!({
            "layer": n.layer, "node": format!("{}.{}", n.part, n.index), "kernels": n.kernels, "bytes": n.bytes,
        });
        if n.operations > 0.0 {
            args["operations"] = n.operations.into();
        }
        if let Some(reached) = n.reached {
            args["reached"] = reached.into();
        }
        events.push(slice(NODES, &n.ops, &n.pass, n.start_us, n.us, args));
    }
    json!({
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": { "version": profile.version, "device": profile.device, "recipe": profile.recipe },
    })
}

fn named(what: &str, row: u32, name: &str) -> Value {
    json!({ "name": what, "ph": "M", "pid": PROCESS, "tid": row, "args": { "name": name } })
}

/// A complete event; times in microseconds.
fn slice(row: u32, name: &str, category: &str, start: f64, us: f64, args: Value) -> Value {
    json!({ "name": name, "cat": category, "ph": "X", "ts": start, "dur": us, "pid": PROCESS, "tid": row, "args": args })
}

/// A slice for every run of neighbours with the same key.
fn merged(nodes: &[&Node], row: u32, key: impl Fn(&Node) -> String, events: &mut Vec<Value>) {
    for run in nodes.chunk_by(|a, b| key(a) == key(b)) {
        let (first, last) = (run[0], run[run.len() - 1]);
        let name = key(first);
        let us = last.start_us + last.us - first.start_us;
        let name = if name.is_empty() { "(none)" } else { &name };
        events.push(slice(row, name, &first.pass, first.start_us, us, json!({ "nodes": run.len() })));
    }
}
