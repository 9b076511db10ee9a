//! What the student learns from: logits of each view, from features of the extractor, which stays.

use super::spec::{BurnSpec, Target};
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::methods::Task;
use crate::methods::projector::{Life, Projector};
use crate::methods::swav::{self, Objective};

/// Scope of a target's own leaves.
pub(super) const NAME: &str = "target";

/// The target of a step.
pub(super) struct Made {
    /// Logits of each view.
    pub logits: Vec<Value>,
    /// What they are divided by.
    pub temperature: f32,
    /// SwAV's loss, by which a [`Target::JointSwav`] learns.
    pub own: Option<Objective>,
    /// Whether both sides' outputs are brought to length 1.
    pub on_sphere: bool,
}

impl Made {
    /// Of features `[n, d]` of each view.
    pub fn new(
        g: &mut Graph,
        task: &Task<'_>,
        spec: &BurnSpec,
        features: &[Value],
        batch: usize,
        halted: Value,
    ) -> Result<Made> {
        match spec.target {
            Target::FixedSsl => own_head(g, task, spec, features),
            Target::FixedRandom => classifier(g, spec, features, Life::Still),
            Target::JointLiteral | Target::JointAnneal => classifier(g, spec, features, Life::Trained(halted)),
            Target::JointSwav => {
                let swav = swav::settings(task.recipe);
                let all = g.concat(features, 0)?;
                let own = g.scoped(NAME, |g| Objective::new(g, &swav, all, batch, halted))?;
                let logits = own.scores.iter().map(|s| g.detach(*s)).collect::<Result<_>>()?;
                Ok(Made { logits, temperature: swav.temperature, own: Some(own), on_sphere: false })
            }
        }
    }
}

/// g_θ: linear, normalisation, ReLU, linear.
fn classifier(g: &mut Graph, spec: &BurnSpec, features: &[Value], life: Life) -> Result<Made> {
    let layers = Projector { hidden: spec.hidden, norm: spec.norm, out: spec.outputs };
    let logits = features.iter().map(|f| layers.append(g, NAME, *f, life)).collect::<Result<_>>()?;
    Ok(Made { logits, temperature: spec.temperature, own: None, on_sphere: false })
}

/// The head that the extractor was trained with.
fn own_head(g: &mut Graph, task: &Task<'_>, spec: &BurnSpec, features: &[Value]) -> Result<Made> {
    let teacher = task.teacher()?;
    let head = teacher.head.as_ref().ok_or_else(|| {
        Error::Config(format!(
            "burn.target = \"fixed-ssl\" takes the self-supervised head of the teacher {}, which was trained without one: \
             name a run of method swav, or another burn.target",
            teacher.name
        ))
    })?;
    let logits = features.iter().map(|f| teacher.point(g, head, *f)).collect::<Result<_>>()?;
    Ok(Made { logits, temperature: spec.temperature, own: None, on_sphere: true })
}
