//! Optimisers as graph functions, and schedules of their learning rate.

mod accumulate;
mod formulas;
mod rule;
mod schedule;
mod shared;
mod spec;

pub use accumulate::{ADDS, HOLDS, accumulated, held};
pub use rule::{GAMMA, Rule};
pub use schedule::{Schedule, Warmup};
pub use shared::{Cut, Shared};
pub use spec::OptimSpec;
