//! Ops that move or rename elements.

mod concat;
mod gather;
mod one_hot;
mod pad;
mod slice;
mod strided;
mod transpose;
mod view;

pub use concat::Concat;
pub use gather::{Gather, GatherGrad};
pub use one_hot::OneHot;
pub use pad::Pad;
pub use slice::Slice;
pub use transpose::Transpose;
pub use view::{Detach, Reshape};
