//! Ways to train, one file each.

mod supervised;

pub use supervised::Supervised;

use crate::train::method::Method;
use crate::train::recipe::MethodName;

/// The method of a recipe.
pub fn method(name: MethodName) -> &'static dyn Method {
    match name {
        MethodName::Supervised => &Supervised,
    }
}
