//! Mean squared error.

use crate::error::Result;
use crate::graph::{Graph, Value};

impl Graph {
    /// Mean of `(a - b)²` over all elements, as a scalar.
    pub fn mse(&mut self, a: Value, b: Value) -> Result<Value> {
        let difference = self.sub(a, b)?;
        let squares = self.square(difference)?;
        self.mean_all(squares)
    }
}
