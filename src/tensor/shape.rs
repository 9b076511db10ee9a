//! The extents of a tensor, outermost first.

use std::fmt;
use std::ops::Deref;

/// Extents of a tensor, outermost first; the last one is contiguous and is the one that packs.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape from its extents.
    pub fn new(dims: impl Into<Vec<usize>>) -> Self {
        Shape(dims.into())
    }

    /// Number of elements (1 for a scalar, whose shape is empty); `usize::MAX` for more than can be counted, which no memory has.
    pub fn elements(&self) -> usize {
        self.0.iter().fold(1, |n: usize, extent| n.saturating_mul(*extent))
    }

    /// Whether its elements can be counted, and their bytes: no product of its extents wraps.
    #[cfg(feature = "train")]
    pub(crate) fn is_countable(&self) -> bool {
        let product = self.0.iter().try_fold(1usize, |n, extent| n.checked_mul((*extent).max(1)));
        product.and_then(|n| n.checked_mul(8)).is_some()
    }

    /// Extent of the last axis; 1 for a scalar.
    pub fn columns(&self) -> usize {
        self.0.last().copied().unwrap_or(1)
    }

    /// Product of all extents but the last; 1 for a scalar; `usize::MAX` for more than can be counted.
    pub fn rows(&self) -> usize {
        self.0.iter().rev().skip(1).fold(1, |n: usize, extent| n.saturating_mul(*extent))
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.0.len()];
        for i in (1..self.0.len()).rev() {
            strides[i - 1] = strides[i] * self.0[i];
        }
        strides
    }

    /// The shape that `a` and `b` broadcast to (NumPy's rule), if they do.
    pub fn broadcast(a: &Shape, b: &Shape) -> Option<Shape> {
        let rank = a.len().max(b.len());
        let at = |s: &Shape, i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
        (0..rank)
            .map(|i| match (at(a, i), at(b, i)) {
                (x, y) if x == y => Some(x),
                (1, y) => Some(y),
                (x, 1) => Some(x),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Shape)
    }

    /// For each axis of `to`, the stride in elements with which a tensor of this shape is read
    /// when it is broadcast to `to`: 0 along axes that it repeats.
    pub fn broadcast_strides(&self, to: &Shape) -> Vec<usize> {
        let own = self.strides();
        let lead = to.len() - self.len();
        (0..to.len()).map(|i| if i < lead || self[i - lead] == 1 { 0 } else { own[i - lead] }).collect()
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Shape(dims.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Shape(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Shape(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        let a = Shape::from([4, 1, 3]);
        let b = Shape::from([5, 3]);
        assert_eq!(Shape::broadcast(&a, &b), Some(Shape::from([4, 5, 3])));
        assert_eq!(Shape::broadcast(&a, &Shape::from([2])), None);
        assert_eq!(b.broadcast_strides(&Shape::from([4, 5, 3])), [0, 3, 1]);
        assert_eq!(a.broadcast_strides(&Shape::from([4, 5, 3])), [3, 0, 1]);
    }

    #[cfg(feature = "train")]
    #[test]
    fn what_wraps_cannot_be_counted() {
        for countable in [&[][..], &[0], &[3, 5], &[usize::MAX / 8], &[0, usize::MAX / 8]] {
            assert!(Shape::from(countable).is_countable(), "{countable:?}");
        }
        let half = 1 << (usize::BITS / 2);
        for wraps in [&[half, half][..], &[usize::MAX], &[half, 0, half], &[usize::MAX / 8 + 1]] {
            assert!(!Shape::from(wraps).is_countable(), "{wraps:?}");
        }
    }

    #[test]
    fn a_scalar_has_one_element() {
        let s = Shape::default();
        assert_eq!((s.elements(), s.rows(), s.columns()), (1, 1, 1));
    }
}
