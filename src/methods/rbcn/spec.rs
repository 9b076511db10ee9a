//! RBCN's settings, as they stand in a recipe's `[rbcn]` table, and which of them go together.

use crate::error::{Error, Result};
use crate::nn::{Scale, WeightRule};
use crate::recipe::Recipe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the student's feature maps are brought to the teacher's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Features {
    /// They are not.
    None,
    /// Discriminators tell them apart, the student deceives them (the paper's G).
    #[default]
    Adversarial,
    /// By their mean squared difference: a control.
    Mse,
}

/// Through what the kernel loss reaches latent weights (specification, section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelPath {
    /// As a function of W alone: W is drawn to C sign(W).
    Direct,
    /// Through the estimator of the sign alone, as the printed derivation has it: W is pushed away.
    Ste,
    /// Both.
    #[default]
    Both,
}

/// What the second pass of an epoch does to batch normalisation (the paper's B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// There is none.
    None,
    /// Takes new running statistics.
    Stats,
    /// Trains factors and offsets by the task loss, with all else fixed, and takes new statistics.
    #[default]
    Train,
}

/// What normalises in the second pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshBy {
    /// The statistics of each batch, as in training.
    #[default]
    Batch,
    /// The running statistics, as in a test. Where much of an image is one colour, the sign of that part is decided by
    /// a normalisation's statistics, and may not be what most batches had.
    Running,
}

/// RBCN's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RbcnSpec {
    /// Weight λ1 of the kernel loss.
    pub lambda_kernel: f32,
    /// Through what it reaches the latent weights.
    pub kernel_path: KernelPath,
    /// Learning rate of the scale matrices as a share of the network's; 0 leaves them as they start.
    pub matrix_lr: f32,
    /// How feature maps are brought to the teacher's.
    pub features: Features,
    /// Weight of that loss, the mean over stages and images.
    pub lambda_features: f32,
    /// Epochs before it sets in, in which discriminators learn alone.
    pub features_after: u64,
    /// Learning rate of the discriminators' Adam.
    pub discriminator_lr: f32,
    /// Brings each channel of a feature map to mean 0 and variance 1 before a discriminator sees it.
    pub standardise_features: bool,
    /// Weight of the distillation of logits: a control.
    pub distill: f32,
    /// The second pass of an epoch.
    pub refresh: Refresh,
    /// What normalises in it.
    pub refresh_by: RefreshBy,
}

impl Default for RbcnSpec {
    fn default() -> Self {
        RbcnSpec {
            lambda_kernel: 1e-4,
            kernel_path: KernelPath::Both,
            matrix_lr: 0.1,
            features: Features::Adversarial,
            lambda_features: 1.0,
            features_after: 0,
            discriminator_lr: 1e-4,
            standardise_features: false,
            distill: 0.0,
            refresh: Refresh::Train,
            refresh_by: RefreshBy::Batch,
        }
    }
}

impl RbcnSpec {
    /// Checks that settings and network go together.
    pub(super) fn validate(&self, recipe: &Recipe) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        for (name, v) in [
            ("lambda_kernel", self.lambda_kernel),
            ("matrix_lr", self.matrix_lr),
            ("lambda_features", self.lambda_features),
            ("discriminator_lr", self.discriminator_lr),
            ("distill", self.distill),
        ] {
            if !(v >= 0.0 && v.is_finite()) {
                return fail(format!("rbcn.{name} = {v}: give a number from 0 on"));
            }
        }
        if !recipe.net.is_binary() {
            return fail("method = \"rbcn\" trains a binary network, but net.binary = false".into());
        }
        let b = &recipe.net.binarization;
        if b.weights != WeightRule::Sign {
            return fail(format!(
                "method = \"rbcn\" takes the signs of weights (net.binarization.weights = \"sign\"), not {:?}",
                b.weights
            ));
        }
        if b.scale != Scale::Matrix && (self.lambda_kernel > 0.0 || self.matrix_lr > 0.0) {
            return fail(format!(
                "rbcn.lambda_kernel = {} and rbcn.matrix_lr = {} are about scale matrices, but net.binarization.scale = {:?} \
                 has none: set both to 0, or scale = \"matrix\"",
                self.lambda_kernel, self.matrix_lr, b.scale
            ));
        }
        Ok(())
    }
}
