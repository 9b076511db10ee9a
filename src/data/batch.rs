//! Which images make up a batch, and the batch itself.

use crate::rng::{Philox, streams};
use crate::tensor::{DType, HostTensor};

/// The order in which a set is read: a function of (seed, epoch, step) alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchPlan {
    /// Images in the set; at least 1.
    pub len: usize,
    /// Images in a batch; at least 1.
    pub batch: usize,
    /// Decides the order if `shuffle` is set.
    pub seed: u64,
    /// Whether each epoch has an order of its own; else the order is that of the set.
    pub shuffle: bool,
    /// Whether images that do not fill a batch at the end of an epoch are left out.
    pub drop_last: bool,
    /// With `drop_last`: how many batches go together, so that those which do not are left out too; at least 1.
    pub together: usize,
}

impl BatchPlan {
    /// Batches in an epoch.
    pub fn steps(&self) -> usize {
        match self.drop_last {
            true => self.len / self.batch / self.together * self.together,
            false => self.len.div_ceil(self.batch),
        }
    }

    /// The order of all images in `epoch`.
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let n = u32::try_from(self.len).expect("fewer than 2^32 images");
        if self.shuffle { Philox::new(self.seed, streams::ORDER).permutation(epoch, n) } else { (0..n).collect() }
    }

    /// The images of batch `step`, always `batch` of them, taken from the epoch's `order`; and how many of them count.
    /// What an incomplete last batch lacks is filled up from the start of the order.
    pub fn indices(&self, order: &[u32], step: usize) -> (Vec<u32>, usize) {
        let from = step * self.batch;
        let indices = (from..from + self.batch).map(|i| order[i % order.len()]).collect();
        (indices, order.len().saturating_sub(from).min(self.batch))
    }
}

/// A batch in host memory, ready to be uploaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// The epoch it belongs to, from 0.
    pub epoch: u64,
    /// Its number within the epoch, from 0.
    pub step: usize,
    /// Pixels, U8 `[N, H*W*C]`, each row an image in HWC order. Where random crops see whole originals
    /// ([`Dataset::crops_originals`](super::Dataset::crops_originals)) the cropped images of each view, else one tensor of
    /// which all views are made.
    pub images: Vec<HostTensor>,
    /// Labels, U32 `[N]`; `None` for an unlabelled set.
    pub labels: Option<HostTensor>,
    /// Number of each image within the set.
    pub indices: Vec<u32>,
    /// The first `valid` images count; the rest fill up an incomplete last batch.
    pub valid: usize,
    /// Augmentation parameters of each view, F32 [N, [`COUNT`](crate::tensor::columns::COUNT)]; the layout is in
    /// [`augment`](super::augment).
    pub augment: Vec<HostTensor>,
}

/// The bytes of a row of a U8 tensor, those that fill up its last word included.
pub(super) fn row_bytes(row: &mut [u32]) -> &mut [u8] {
    // Four bytes are a word with the first one lowest, as they lie in memory.
    const { assert!(cfg!(target_endian = "little"), "bytes of a word are taken as they lie in memory") };
    bytemuck::cast_slice_mut(row)
}

/// Copies bytes into the words of row `row` of a U8 tensor.
pub(super) fn write_row(tensor: &mut HostTensor, row: usize, bytes: &[u8]) {
    let words = DType::U8.row_words(bytes.len());
    let out = &mut tensor.words_mut()[row * words..][..words];
    let (fours, rest) = bytes.as_chunks::<4>();
    out.iter_mut().zip(fours).for_each(|(word, four)| *word = u32::from_le_bytes(*four));
    if !rest.is_empty() {
        let mut four = [0; 4];
        four[..rest.len()].copy_from_slice(rest);
        out[words - 1] = u32::from_le_bytes(four);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> BatchPlan {
        BatchPlan { len: 10, batch: 4, seed: 3, shuffle: true, drop_last: false, together: 1 }
    }

    #[test]
    fn an_epoch_reads_every_image_once_in_an_order_of_its_own() {
        let p = plan();
        assert_eq!(p.steps(), 3);
        let order = p.order(5);
        let mut seen: Vec<u32> = (0..3)
            .flat_map(|step| {
                let (indices, valid) = p.indices(&order, step);
                assert_eq!(indices.len(), 4);
                indices[..valid].to_vec()
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<u32>>());
        assert_ne!(order, p.order(6));
        assert_ne!(order, BatchPlan { seed: 4, ..p }.order(5));
        assert_eq!(order, p.order(5));
    }

    #[test]
    fn the_last_batch_is_filled_up_or_dropped() {
        let p = BatchPlan { shuffle: false, ..plan() };
        assert_eq!(p.indices(&p.order(0), 2), (vec![8, 9, 0, 1], 2));
        assert_eq!(BatchPlan { drop_last: true, ..p }.steps(), 2);
        assert_eq!(BatchPlan { len: 31, drop_last: true, together: 3, ..p }.steps(), 6);
        let wide = BatchPlan { len: 2, batch: 5, ..p };
        assert_eq!(wide.indices(&wide.order(0), 0), (vec![0, 1, 0, 1, 0], 2));
    }

    #[test]
    fn rows_pack_as_the_tensor_does() {
        let bytes: Vec<u8> = (1..=14).collect();
        let mut t = HostTensor::from_words([2, 7], DType::U8, vec![u32::MAX; 4]);
        write_row(&mut t, 0, &bytes[..7]);
        write_row(&mut t, 1, &bytes[7..]);
        assert_eq!(t, HostTensor::from_u8([2, 7], &bytes));
    }
}
