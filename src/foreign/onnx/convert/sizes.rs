//! Extents that a file computes: what exporters write to flatten a batch of any size (`x.view(x.size(0), -1)`).

use super::{Converter, Extents};
use crate::foreign::Checked;
use crate::foreign::onnx::attributes::Attributes;
use crate::foreign::onnx::model::{Node, Numbers};

/// An extent: a number, times that of the images of a batch if it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    batch: bool,
    n: i64,
}

impl Size {
    /// As Reshape takes it: 0 for the images that there are.
    fn wanted(self) -> Checked<i64> {
        match self {
            Size { batch: false, n } => Ok(n),
            Size { batch: true, n: 1 } => Ok(0),
            Size { batch: true, n } => Err(format!("to {n} times the images: rows of an image each are read")),
        }
    }

    fn times(self, other: Size) -> Option<Size> {
        let n = self.n.checked_mul(other.n)?;
        (!(self.batch && other.batch)).then_some(Size { batch: self.batch || other.batch, n })
    }
}

impl Converter {
    /// Extents that are known: of the file, or computed by it.
    fn sizes(&self, node: &Node, i: usize) -> Option<Vec<Size>> {
        let name = node.input.get(i)?;
        let of_file = || match &self.constants.get(name)?.numbers {
            Numbers::Ints(all) => Some(all.iter().map(|n| Size { batch: false, n: *n }).collect()),
            Numbers::Floats(_) => None,
        };
        self.sizes.get(name).cloned().or_else(of_file)
    }

    /// Whether a node computes extents: it asks for some, or one of its inputs is of them.
    pub(super) fn is_of_sizes(&self, node: &Node) -> bool {
        let computed = node.input.iter().any(|name| self.sizes.contains_key(name));
        node.op_type == "Shape" || (computed && node.op_type != "Reshape")
    }

    /// What such a node makes.
    pub(super) fn size_node(&mut self, node: &Node, a: &Attributes<'_>) -> Checked<()> {
        let given = |i: usize| self.sizes(node, i).ok_or_else(|| format!("its input {i} is not known beforehand"));
        let made = match node.op_type.as_str() {
            "Shape" => {
                let all = self.extents_of(node)?;
                let whole = all.len() as i64;
                let place = |at: i64| (if at < 0 { at + whole } else { at }).clamp(0, whole) as usize;
                let (start, end) = (place(a.int("start", 0)), place(a.int("end", whole)));
                all.get(start..end).ok_or("its end lies before its start")?.to_vec()
            }
            "Gather" => {
                a.only("axis", 0)?;
                let all = given(0)?;
                let of = |at: &Size| {
                    let at = if at.n < 0 { at.n + all.len() as i64 } else { at.n };
                    let found = usize::try_from(at).ok().and_then(|at| all.get(at));
                    found.copied().ok_or_else(|| format!("it takes number {at} of {} extents", all.len()))
                };
                given(1)?.iter().map(of).collect::<Checked<_>>()?
            }
            // A number, or a list of one.
            "Unsqueeze" | "Squeeze" => {
                a.ints("axes");
                given(0)?
            }
            "Cast" => {
                a.int("to", 0);
                given(0)?
            }
            "Concat" => {
                a.only("axis", 0)?;
                (0..node.input.len()).map(given).collect::<Checked<Vec<_>>>()?.concat()
            }
            "Mul" => match (&given(0)?[..], &given(1)?[..]) {
                ([x], [y]) => vec![x.times(*y).ok_or("a product of extents that is too large")?],
                _ => return Err("of lists of extents: of two numbers is read".into()),
            },
            _ => return Err("of extents is not read: export the model with a fixed size of images".into()),
        };
        self.sizes.insert(node.output.first().ok_or("it has no output")?.clone(), made);
        Ok(())
    }

    fn extents_of(&self, node: &Node) -> Checked<Vec<Size>> {
        let fixed = |n: usize| Size { batch: false, n: n as i64 };
        let batch = Size { batch: true, n: 1 };
        match self.value(node, 0)?.extents {
            Extents::Map { c, size: Some([h, w]) } => Ok(vec![batch, fixed(c), fixed(h), fixed(w)]),
            Extents::Row { d, .. } => Ok(vec![batch, fixed(d)]),
            Extents::Map { .. } => Err(super::NO_SIZE.into()),
        }
    }

    /// To which extents a node reshapes: 0 for those that are there, -1 for what is left.
    pub(super) fn reshaped(&self, node: &Node, a: &Attributes<'_>) -> Checked<Vec<i64>> {
        match (self.sizes(node, 1), a.ints("shape")) {
            (Some(to), _) => to.into_iter().map(Size::wanted).collect(),
            (None, Some(to)) if node.input.len() < 2 => Ok(to.to_vec()),
            (None, None) if node.input.len() < 2 => Err("it does not say to what".into()),
            (None, _) => Err(format!("{} is no constant of whole numbers", node.input[1])),
        }
    }

    /// Whether rows `[a, b]` are those of the images, `d` numbers each.
    pub(super) fn are_rows(&self, [a, b]: [i64; 2], d: usize) -> bool {
        let of_images = a == 0 || self.batch.is_some_and(|n| n as i64 == a);
        match b {
            -1 => of_images,
            b => b == d as i64 && (a == -1 || of_images),
        }
    }
}
