//! A run of one rank: what it gives is what it gets.

use super::{Exchange, check_parts};
use crate::error::Result;

/// The only rank.
pub struct One;

impl Exchange for One {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn swap(&self, parts: &[&[u32]]) -> Result<Vec<Vec<u32>>> {
        check_parts(parts, 1)?;
        Ok(vec![parts[0].to_vec()])
    }
}
