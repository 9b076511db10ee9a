//! Embeddings of places for a grid of another size: each channel resampled like a picture, by cubic convolution (Keys 1981). A
//! class token's, which comes first, stays.

use crate::tensor::HostTensor;

/// Where samples lie, and what of the grid they see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resampling {
    /// Centres of pixels on centres of pixels, four of them for a sample: Hugging Face's transformers.
    #[default]
    Plain,
    /// As that; a smaller grid is smoothed: open_clip and timm.
    Smoothed,
    /// The corners on the corners: torchvision.
    Aligned,
    /// As `Plain`, with samples a little nearer to each other: DINO, for crops of other sizes.
    Dino,
}

/// The cubic kernel whose slope at 1 is `a`.
fn cubic(a: f64, x: f64) -> f64 {
    let x = x.abs();
    match x {
        x if x < 1.0 => (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0,
        x if x < 2.0 => a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a,
        _ => 0.0,
    }
}

impl Resampling {
    /// What each of `to` samples takes of `from` numbers in a row.
    fn row(self, from: usize, to: usize) -> Vec<Vec<f64>> {
        let (n, m) = (from as f64, to as f64);
        let one = |i: usize| {
            let mut shares = vec![0.0; from];
            if self == Resampling::Smoothed {
                let step = n / m;
                let centre = (i as f64 + 0.5) * step;
                let share = |j: usize| cubic(-0.5, (j as f64 + 0.5 - centre) / step.max(1.0));
                let sum: f64 = (0..from).map(share).sum();
                shares.iter_mut().enumerate().for_each(|(j, s)| *s = share(j) / sum);
                return shares;
            }
            let centre = match self {
                Resampling::Aligned => i as f64 * (n - 1.0) / (m - 1.0).max(1.0),
                Resampling::Dino => (i as f64 + 0.5) * n / (m + 0.1) - 0.5,
                _ => (i as f64 + 0.5) * n / m - 0.5,
            };
            let first = centre.floor() - 1.0;
            for tap in 0..4 {
                let at = first + f64::from(tap);
                shares[at.clamp(0.0, n - 1.0) as usize] += cubic(-0.75, centre - at);
            }
            shares
        };
        (0..to).map(one).collect()
    }

    /// What each place of a grid takes of the places of another, `[places of to, places of from]`; grids are rows and columns.
    pub fn shares(self, from: [usize; 2], to: [usize; 2]) -> Vec<f64> {
        let (rows, columns) = (self.row(from[0], to[0]), self.row(from[1], to[1]));
        let all = rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c)));
        all.flat_map(|(r, c)| r.iter().flat_map(move |a| c.iter().map(move |b| a * b))).collect()
    }

    /// Embeddings `[places, channels]` of a square grid, with those of `before` tokens first, for another grid; `None` if they are
    /// of no square.
    pub fn places(self, of: &HostTensor, before: usize, to: [usize; 2]) -> Option<HostTensor> {
        let &[places, c] = &of.shape()[..] else { return None };
        let side = places.checked_sub(before)?.isqrt();
        if side == 0 || side * side + before != places {
            return None;
        }
        let (first, grid) = of.f32s().split_at(before * c);
        let mut made = first.to_vec();
        if to == [side, side] {
            made.extend(grid);
        } else {
            for shares in self.shares([side, side], to).chunks_exact(side * side) {
                let of_channel =
                    |i: usize| shares.iter().enumerate().map(|(p, s)| s * f64::from(grid[p * c + i])).sum();
                made.extend((0..c).map(of_channel).map(|sum: f64| sum as f32));
            }
        }
        Some(HostTensor::from_f32([before + to[0] * to[1], c], made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampled(how: Resampling, grid: &[f32], to: usize) -> Vec<f32> {
        let of = HostTensor::from_f32([grid.len(), 1], grid.to_vec());
        how.places(&of, 0, [to, to]).unwrap().f32s().to_vec()
    }

    /// Numbers of PyTorch, torchvision and DINO in f64, of the specification.
    #[test]
    fn grids_are_resampled_as_each_library_does() {
        let near = |found: Vec<f32>, wanted: &[f32]| {
            assert_eq!(found.len(), wanted.len());
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 2e-6), "{found:?} {wanted:?}");
        };
        let grid = [1.0, 2.0, 3.0, 5.0];
        let of = |how| resampled(how, &grid, 3);
        near(
            of(Resampling::Plain),
            &[0.747119, 1.282986, 1.818854, 1.869792, 2.75, 3.630208, 2.992465, 4.217014, 5.441563],
        );
        near(
            of(Resampling::Smoothed),
            &[0.806960, 1.335526, 1.864093, 1.901316, 2.75, 3.598684, 2.995672, 4.164474, 5.333276],
        );
        near(
            of(Resampling::Dino),
            &[0.737997, 1.241901, 1.790527, 1.795664, 2.606222, 3.488716, 2.947199, 4.091626, 5.337621],
        );
        near(of(Resampling::Aligned), &[1.0, 1.5, 2.0, 2.0, 2.75, 3.5, 3.0, 4.0, 5.0]);
        let squares: Vec<f32> = (0..16).map(|j| (j * j) as f32 / 10.0).collect();
        near(resampled(Resampling::Plain, &squares, 2), &[0.503906, 1.871094, 11.714844, 16.910156]);
        near(resampled(Resampling::Smoothed, &squares, 2), &[1.301066, 2.706373, 10.925381, 14.999413]);
    }

    #[test]
    fn the_class_token_and_what_is_everywhere_the_same_stay() {
        let of = HostTensor::from_f32([10, 2], [vec![7.0, 8.0], [3.0, -2.0].repeat(9)].concat());
        for how in [Resampling::Plain, Resampling::Smoothed, Resampling::Aligned, Resampling::Dino] {
            let made = how.places(&of, 1, [5, 4]).unwrap();
            assert_eq!((&made.shape()[..], &made.f32s()[..2]), (&[21, 2][..], &[7.0, 8.0][..]));
            assert!(
                made.f32s()[2..].chunks(2).all(|p| (p[0] - 3.0).abs() < 1e-6 && (p[1] + 2.0).abs() < 1e-6),
                "{how:?}"
            );
            assert_eq!(how.places(&of, 1, [3, 3]).unwrap(), of, "the same grid is the same numbers");
            assert_eq!(how.places(&of, 0, [3, 3]), None, "ten places are no square");
        }
    }
}
