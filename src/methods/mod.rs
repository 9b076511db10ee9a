//! Ways to train, one file each.

mod burn;
mod check;
mod compress;
mod finetune;
mod parts;
mod projector;
mod rbcn;
mod reactnet;
mod siman;
mod smn;
mod supervised;
mod swav;

pub use burn::{Burn, BurnSpec, Guard, Similarity, Statistics, Target, balance};
pub use check::{validate, wants_teacher};
pub use compress::{Compress, CompressSpec, CompressTarget};
pub use finetune::{Finetune, FinetuneSpec};
pub(crate) use parts::scalar as common_scalar;
pub use parts::{features as feature_graph, test_graph};
pub use rbcn::{Features, KernelPath, Rbcn, RbcnSpec, Refresh, RefreshBy};
pub use reactnet::Reactnet;
pub use siman::{Siman, clamp_percent, percentile_place};
pub use smn::{Objective, Smn, SmnSpec};
pub use supervised::Supervised;
pub use swav::{Codes, SmallViews, Swav, SwavSpec};

use crate::error::{Error, Result};
use crate::train::method::{Method, Task};
use crate::train::recipe::MethodName;
use crate::train::teacher::Teacher;

/// The method of a recipe.
pub fn method(name: MethodName) -> &'static dyn Method {
    match name {
        MethodName::Supervised => &Supervised,
        MethodName::Siman => &Siman,
        MethodName::Reactnet => &Reactnet,
        MethodName::Rbcn => &Rbcn,
        MethodName::Swav => &Swav,
        MethodName::Burn => &Burn,
        MethodName::Smn => &Smn,
        MethodName::Finetune => &Finetune,
        MethodName::Compress => &Compress,
    }
}

/// The teacher of a method that cannot do without.
fn teacher<'a>(task: &Task<'a>) -> Result<&'a Teacher> {
    task.teacher.ok_or_else(|| Error::Config("this method learns from a teacher: name its run with [teacher]".into()))
}
