//! What the share of right answers of a run is a share of: an accuracy where classes of images are told, an agreement elsewhere.

use crate::data::Part;
use crate::methods::{EvaluatedBy, TeacherUse};
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// What a run's answers are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Classes of images.
    Classes,
    /// In training, what a task without labels wants; in a test, the classes of the nearest training images.
    Neighbours,
    /// What a fitted model says of the same images.
    Model,
}

impl Right {
    /// Of a recipe.
    pub fn of(recipe: &Recipe) -> Right {
        let method = recipe.method();
        match (method.evaluated_by(recipe), method.teacher(recipe)) {
            (EvaluatedBy::Neighbours, _) => Right::Neighbours,
            (EvaluatedBy::Logits, TeacherUse::Targets) => Right::Model,
            (EvaluatedBy::Logits, _) => Right::Classes,
        }
    }

    /// A share of right answers in training.
    pub fn trained(self, share: f64) -> Guessed {
        match self {
            Right::Classes => Guessed::Accuracy(share),
            Right::Neighbours | Right::Model => Guessed::Agreement(share),
        }
    }

    /// What that share is called.
    pub fn in_training(self) -> &'static str {
        match self {
            Right::Classes => "train accuracy",
            Right::Neighbours => "train agreement in the task without labels",
            Right::Model => "train agreement with the model",
        }
    }

    /// What the share on a part that is tested on is called.
    pub fn on(self, part: Part) -> String {
        let part = part.word();
        match self {
            Right::Classes => format!("{part} accuracy"),
            Right::Neighbours => format!("{part} accuracy by nearest neighbours"),
            Right::Model => format!("{part} agreement with the model"),
        }
    }
}

/// A share of right answers in training, by its name in logs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guessed {
    /// Of images whose class was right. (Runs of earlier versions call agreements so, too.)
    Accuracy(f64),
    /// Of images of which the network said what a task without labels wants, or what a model says.
    Agreement(f64),
}

impl Guessed {
    /// The share.
    pub fn share(self) -> f64 {
        let (Guessed::Accuracy(share) | Guessed::Agreement(share)) = self;
        share
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Guessed::Accuracy(_) => "accuracy",
            Guessed::Agreement(_) => "agreement",
        }
    }
}
