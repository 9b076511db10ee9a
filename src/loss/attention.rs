//! Where two networks look (Zagoruyko and Komodakis, ICLR 2017; of binary networks Martinez et al., ICLR 2020).

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};

impl Graph {
    /// How far a student's map of attention is from its teacher's, of outputs `[n, h, w, c]` and `[n, h, w, d]`: with
    /// `q = mean over channels of x²`, a number a pixel, over the largest of its image, the mean over images and pixels of
    /// `(q_student - q_teacher)²`. No gradient flows into the teacher; of equal largest pixels each gets the gradient of the
    /// largest one. An image of zeros alone has a map of zeros.
    ///
    /// Real-to-Binary's loss as Larq Zoo trains it; the paper divides a map by its length.
    ///
    /// # Errors
    /// If the outputs are not maps of as many images and pixels.
    pub fn attention_loss(&mut self, teacher: Value, student: Value) -> Result<Value> {
        let (t, s) = (self.shape(teacher).clone(), self.shape(student).clone());
        if t.len() != 4 || s.len() != 4 || t[..3] != s[..3] {
            return Err(Error::shape(
                "attention_loss",
                format!("teacher {t} and student {s} must be maps of the same pixels"),
            ));
        }
        let teacher = self.detach(teacher)?;
        let (taught, learned) = (self.attention(teacher)?, self.attention(student)?);
        self.mse(learned, taught)
    }

    /// `[n, h, w, c]` to `[n, h w]`.
    fn attention(&mut self, x: Value) -> Result<Value> {
        let shape = self.shape(x).clone();
        let squares = self.square(x)?;
        let map = self.mean(squares, &[3])?;
        let map = self.reshape(map, [shape[0], shape[1] * shape[2]])?;
        let largest = self.max(map, &[1])?;
        // Where nothing is larger than 0 there is nothing to divide.
        let largest = self.offset(largest, 1e-12)?;
        self.div(map, largest)
    }
}
