//! BURN's settings, as they stand in a recipe's `[burn]` table, and which of them go together.

use crate::error::{Error, Result};
use crate::methods::swav::SwavSpec;
use crate::recipe::Recipe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the student's outputs are compared with (specification, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// M0: the extractor's own self-supervised head, which stays (S2-BNN).
    FixedSsl,
    /// M1: a random classifier, which stays (what the release does, once its gradient is repaired).
    FixedRandom,
    /// M2: a classifier that follows the divergence down, as the paper's figure has it. It may collapse.
    JointLiteral,
    /// M3: a classifier and prototypes that learn by SwAV's loss on the images at hand.
    #[default]
    JointSwav,
    /// M4: M2, whose classifier also climbs the mutual information of its outputs.
    JointAnneal,
}

impl Target {
    /// Whether the classifier learns from the divergence.
    pub(super) fn is_literal(self) -> bool {
        matches!(self, Target::JointLiteral | Target::JointAnneal)
    }
}

/// What of the student is drawn to the teacher besides its outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// Nothing.
    None,
    /// Its features (the paper).
    #[default]
    Features,
    /// Its outputs once more (the release).
    Logits,
}

/// What happens when the target collapses: when the mutual information of its outputs falls below a tenth of what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// It is reported.
    None,
    /// It is reported, and from then on the classifier stays as it is.
    #[default]
    Freeze,
}

/// What normalises in the extractor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Statistics {
    /// Its own running statistics.
    #[default]
    Running,
    /// Those of each batch, as in the release.
    Batch,
}

/// BURN's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BurnSpec {
    /// What the student's outputs are compared with.
    pub target: Target,
    /// What is drawn to the teacher besides them.
    pub similarity: Similarity,
    /// Weight λ of the divergence at the start and at the end of the run, half a cosine between them; the similarity has
    /// 1 - λ. Twice the same for a constant balance. Without similarity the divergence has 1.
    pub balance: [f32; 2],
    /// Temperature of the outputs.
    pub temperature: f32,
    /// Outputs of the classifiers. With `fixed-ssl` they are those of the teacher's head, with `joint-swav` the prototypes.
    pub outputs: usize,
    /// Units of the classifiers' hidden layer; 0 for none.
    pub hidden: usize,
    /// Normalises the hidden layer.
    pub norm: bool,
    /// 2: the student sees one view, the target the other, both ways. 1: both see the same one (S2-BNN).
    pub views: usize,
    /// Learning rate of a classifier that moves, as a share of the student's.
    pub target_rate: f32,
    /// Weight η of the mutual information, with `joint-anneal`.
    pub information: f32,
    /// What happens when the target collapses.
    pub guard: Guard,
    /// Whether a run that starts from another one (`start_from`) goes on with its classifiers' target too.
    pub carry_target: bool,
    /// What normalises in the extractor.
    pub teacher_statistics: Statistics,
}

impl Default for BurnSpec {
    fn default() -> Self {
        BurnSpec {
            target: Target::JointSwav,
            similarity: Similarity::Features,
            balance: [0.1, 0.3],
            temperature: 0.2,
            outputs: 512,
            hidden: 512,
            norm: true,
            views: 2,
            target_rate: 1.0,
            information: 1.0,
            guard: Guard::Freeze,
            carry_target: true,
            teacher_statistics: Statistics::Running,
        }
    }
}

impl BurnSpec {
    /// Checks that settings and the rest of the recipe go together.
    pub(super) fn validate(&self, recipe: &Recipe) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        let own_loss = recipe.own::<SwavSpec>("swav");
        for (name, v) in [("temperature", self.temperature), ("target_rate", self.target_rate)] {
            if !(v > 0.0 && v.is_finite()) {
                return fail(format!("burn.{name} = {v}: give a number over 0"));
            }
        }
        if !(self.information >= 0.0 && self.information.is_finite()) {
            return fail(format!("burn.information = {}: give a number from 0 on", self.information));
        }
        if !self.balance.iter().all(|b| (0.0..=1.0).contains(b)) {
            return fail(format!("burn.balance = {:?}: give two shares in 0..=1", self.balance));
        }
        if !(1..=2).contains(&self.views) {
            return fail(format!("burn.views = {}: give 1 (the same view for both networks) or 2", self.views));
        }
        if self.outputs < 2 {
            return fail(format!("burn.outputs = {}: give at least 2", self.outputs));
        }
        if let Some(swav) = &own_loss {
            swav.validate()?;
        }
        if own_loss.is_some() && self.target != Target::JointSwav {
            return fail(format!(
                "the table [swav] is about a target that learns by SwAV's loss (burn.target = \"joint-swav\"), this is {:?}",
                self.target
            ));
        }
        if self.target == Target::JointSwav {
            let swav = own_loss.unwrap_or_default();
            if self.views != 2 || swav.views != 2 || swav.small.is_some() {
                return fail(format!(
                    "burn.target = \"joint-swav\" learns from two views of one size, but burn.views = {}, swav.views = {}{}",
                    self.views,
                    swav.views,
                    if swav.small.is_some() { " and there are swav.small" } else { "" }
                ));
            }
        }
        Ok(())
    }
}
