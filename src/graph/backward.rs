//! Reverse-mode differentiation: appends ordinary nodes to the graph.

use super::{Def, Graph, Phase, Value};
use crate::error::{Error, Result};
use crate::tensor::DType;
use std::collections::HashMap;

impl Graph {
    /// Appends the nodes that compute d`loss`/d`wrt`; the gradients, in the order of `wrt`. `loss` is
    /// a scalar. A value that the loss does not depend on is an error, because training it would do
    /// nothing silently.
    pub fn backward(&mut self, loss: Value, wrt: &[Value]) -> Result<Vec<Value>> {
        self.check_own(wrt)?;
        self.check_own(&[loss])?;
        if self.shape(loss).elements() != 1 || self.dtype(loss) != DType::F32 {
            return Err(Error::shape(
                "backward",
                format!("the loss must be one f32 number, it is {}", self.meta(loss)),
            ));
        }
        let gradients = self.in_phase(Phase::Backward, |g| g.backward_inner(loss, wrt))?;
        self.differentiated.push((loss, wrt.to_vec()));
        Ok(gradients)
    }

    fn backward_inner(&mut self, loss: Value, wrt: &[Value]) -> Result<Vec<Value>> {
        let needs = self.depends_on(wrt);
        let seed = self.fill(self.shape(loss).clone(), 1.0);
        let mut grads: HashMap<Value, Value> = HashMap::from([(loss, seed)]);
        for i in (0..self.nodes.len()).rev() {
            let node = self.nodes[i].clone();
            let dy: Vec<Option<Value>> = node.outputs.iter().map(|v| grads.get(v).copied()).collect();
            if dy.iter().all(Option::is_none) || !node.inputs.iter().any(|v| needs[v.index()]) {
                continue;
            }
            let outer = std::mem::replace(&mut self.scope, vec![node.scope.clone()]);
            let dx = node.op.grad(self, &node.inputs, &node.outputs, &dy);
            let sums = dx.and_then(|dx| {
                if dx.len() != node.inputs.len() {
                    let m = format!("has {} inputs, and made gradients of {}", node.inputs.len(), dx.len());
                    return Err(Error::shape(node.op.name(), m));
                }
                for (&x, d) in node.inputs.iter().zip(dx) {
                    let Some(d) = d.filter(|_| needs[x.index()]) else { continue };
                    if self.shape(d) != self.shape(x) {
                        let m = format!("gradient of an input {} is {}", self.meta(x), self.meta(d));
                        return Err(Error::shape(node.op.name(), m));
                    }
                    let total = match grads.get(&x) {
                        Some(&other) => self.add(other, d)?,
                        None => d,
                    };
                    grads.insert(x, total);
                }
                Ok(())
            });
            self.scope = outer;
            sums?;
        }
        wrt.iter()
            .map(|v| {
                grads
                    .get(v)
                    .copied()
                    .ok_or_else(|| Error::Config(format!("the loss does not depend on {}", self.name(*v))))
            })
            .collect()
    }

    /// For every value, whether it depends on one of `roots`.
    pub(crate) fn depends_on(&self, roots: &[Value]) -> Vec<bool> {
        let mut needs = vec![false; self.values.len()];
        for r in roots {
            needs[r.index()] = true;
        }
        for node in &self.nodes {
            if node.inputs.iter().any(|v| needs[v.index()]) {
                for o in &node.outputs {
                    needs[o.index()] = true;
                }
            }
        }
        needs
    }

    /// Whether a value is a leaf (its content is kept anyway, so that backward may read it for free).
    pub fn is_leaf(&self, v: Value) -> bool {
        matches!(self.def(v), Def::Leaf(_))
    }
}
