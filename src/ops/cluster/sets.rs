//! Extents of points and of sets of centres.

use crate::graph::Meta;
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::tensor::DType;

/// Points, numbers of a point, sets of centres, places that a set looks at, centres of a set.
#[derive(Clone, Copy)]
pub(super) struct Extents {
    pub n: usize,
    pub d: usize,
    pub g: usize,
    pub m: usize,
    pub k: usize,
}

/// Of `x dtype [n, d]`, `columns u32 [g, m]`, `centres dtype [g, k, m + more]`; `None` if they do not fit.
pub(super) fn extents(inputs: &[Meta], dtype: DType, more: usize) -> Option<Extents> {
    let (&[n, d], &[g, m], &[sets, k, numbers]) = (&inputs[0].shape[..], &inputs[1].shape[..], &inputs[2].shape[..])
    else {
        return None;
    };
    let types = [inputs[0].dtype, inputs[1].dtype, inputs[2].dtype] == [dtype, DType::U32, dtype];
    let fits = types && g == sets && numbers.checked_sub(more) == Some(m) && d > 0 && m > 0 && k > 0 && k < 1 << 31;
    fits.then_some(Extents { n, d, g, m, k })
}

impl Extents {
    /// A multiplication and an addition, or a comparison and an addition, for each place of each pair.
    pub fn operations(&self) -> f64 {
        2.0 * (self.g * self.n) as f64 * (self.k * self.m) as f64
    }

    /// A kernel of the frame `shared/centres`: `steps` numbers of a tile unrolled, `weights` of centres summed too.
    pub fn launch(
        &self,
        shader: &'static str,
        (steps, weights): (u32, bool),
        more: impl IntoIterator<Item = (&'static str, f64)>,
    ) -> Lowering {
        let constants = [("POINTS", self.n), ("SETS", self.g), ("M", self.m), ("K", self.k)];
        Lowering::from(Launch {
            shader,
            defines: vec![("STEPS", steps), ("WEIGHTS", weights as u32)],
            constants: constants.map(|(name, v)| (name, v as f64)).into_iter().chain(more).collect(),
            workgroups: fold_groups(self.g * self.n.div_ceil(64)),
            operands: vec![Operand::In(0), Operand::In(1), Operand::In(2), Operand::Out(0)],
        })
    }
}
