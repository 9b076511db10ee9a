//! Finds the op that made the first number that is not finite.

use crate::device::Store;
use crate::error::Result;
use crate::graph::{Def, Graph, Value};
use crate::program::{Options, Program};
use crate::tensor::{DType, HostTensor};
use std::sync::Arc;

/// Runs a step again, op by op on what the inputs hold now, and describes the first result that is not finite; `None`
/// if all are.
pub fn first_non_finite(store: &mut Store, graph: &Arc<Graph>, scalars: &[f32]) -> Result<Option<String>> {
    for v in graph.params() {
        if let Some(found) = describe(&store.read(graph.name(v))?) {
            return Ok(Some(format!(
                "the parameter {} already was not finite before the step ({found})",
                graph.name(v)
            )));
        }
    }
    // Unfused, so that a name is that of one op.
    let options = Options { fuse: false, ..Options::default() };
    let program = Program::compile_with((**graph).clone(), store.device().backend(), options)?;
    let steps = program.steps.len();
    let mut exe = store.load_program(program, false)?;
    for i in 0..steps {
        exe.run_steps(scalars, i..i + 1)?;
        let program = exe.program().clone();
        for &v in &program.steps[i].outputs {
            if let Some(found) = describe(&exe.read_value(v)?) {
                let layer = match program.step_scope(i) {
                    "" => String::new(),
                    scope => format!(" of layer {scope}"),
                };
                let phase = format!("{:?}", program.steps[i].phase).to_lowercase();
                return Ok(Some(format!(
                    "the first op whose result is not finite is {}{layer} in the {phase} phase: {} -> {} ({found})",
                    program.step_name(i),
                    inputs(graph, &program.steps[i].inputs),
                    graph.meta(v),
                )));
            }
        }
    }
    Ok(None)
}

fn inputs(graph: &Graph, values: &[Value]) -> String {
    let show = |v: &Value| match graph.def(*v) {
        Def::Leaf(_) => format!("{} {}", graph.name(*v), graph.meta(*v)),
        Def::Node { .. } => graph.meta(*v).to_string(),
    };
    values.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// How many numbers are not finite and the first of them.
fn describe(t: &HostTensor) -> Option<String> {
    if t.dtype() != DType::F32 {
        return None;
    }
    let all = t.f32s();
    let first = all.iter().position(|x| !x.is_finite())?;
    let count = all.iter().filter(|x| !x.is_finite()).count();
    Some(format!("{count} of {} numbers, the first is element {first}: {}", all.len(), all[first]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::graph::{Init, Role};

    fn graph() -> Arc<Graph> {
        let mut g = Graph::new();
        let w = g.param("w", [4], Init::Constant(1.0), Role::Weight).unwrap();
        let s = g.scalar("s").unwrap();
        let y = g.scoped("layer", |g| {
            let y = g.mul(w, s).unwrap();
            g.div(w, y).unwrap()
        });
        let y = g.offset(y, 1.0).unwrap();
        let y = g.mean_all(y).unwrap();
        g.output("y", y);
        Arc::new(g)
    }

    #[test]
    fn the_op_and_its_layer_are_named() {
        let g = graph();
        let mut store = Store::new(Device::Cpu);
        store.load((*g).clone()).unwrap();
        store.write("w", &HostTensor::from_f32([4], vec![1.0; 4])).unwrap();
        assert_eq!(first_non_finite(&mut store, &g, &[2.0]).unwrap(), None);
        let m = first_non_finite(&mut store, &g, &[0.0]).unwrap().unwrap();
        assert!(m.contains("div of layer layer") && m.contains("w f32[4]") && m.contains("4 of 4"), "{m}");
        store.write("w", &HostTensor::from_f32([4], vec![1.0, f32::NAN, 1.0, 1.0])).unwrap();
        let m = first_non_finite(&mut store, &g, &[2.0]).unwrap().unwrap();
        assert!(m.contains("parameter w") && m.contains("element 1"), "{m}");
    }
}
