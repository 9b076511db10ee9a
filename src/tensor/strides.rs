//! Where the elements of a strided array lie.

/// The offsets of all elements of an array of this shape in their order, the last axis first; `strides` says how far apart
/// neighbours of each axis lie.
pub fn offsets(shape: &[usize], strides: &[usize]) -> impl Iterator<Item = usize> {
    let n: usize = shape.iter().product();
    let (mut index, mut at) = (vec![0; shape.len()], 0);
    (0..n).map(move |_| {
        let now = at;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= shape[axis] * strides[axis];
            index[axis] = 0;
        }
        now
    })
}

#[cfg(test)]
mod tests {
    use super::offsets;

    #[test]
    fn the_last_axis_counts_first() {
        assert_eq!(offsets(&[2, 3], &[3, 1]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(offsets(&[2, 3], &[1, 2]).collect::<Vec<_>>(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(offsets(&[2, 0], &[1, 1]).count(), 0);
        assert_eq!(offsets(&[], &[]).collect::<Vec<_>>(), [0]);
    }
}
