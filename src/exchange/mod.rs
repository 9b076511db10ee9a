//! What the ranks of a run give each other: programs of their own, one a device, on one machine or several, that train one
//! network together. The engine is MPI ([`start`]); tests have ranks that are threads of one process ([`simulated`]).
//!
//! Everything stands on one call, [`Exchange::swap`], and on [`Exchange::swap_known`] where much is exchanged. Sums are [`Sum`]: added
//! in the order of the ranks, so that their bytes do not depend on who was first.

mod environment;
#[cfg(feature = "mpi")]
mod mpi;
mod one;
pub mod simulated;
mod sum;

pub use environment::{Launched, start};
pub use one::One;
pub use sum::Sum;

use crate::error::{Error, Result};

/// One of the ranks of a run, and its way to the others. All ranks make the same calls in the same order.
pub trait Exchange: Send + Sync {
    /// Its number, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn ranks(&self) -> usize;

    /// Its number among the ranks of its machine, from 0, and how many these are.
    fn local(&self) -> (usize, usize) {
        (0, 1)
    }

    /// What its machine is called.
    fn host(&self) -> String {
        String::new()
    }

    /// Gives `parts[r]` to rank `r`, and returns what each rank gave to this one, by rank. Parts may differ in length, and be
    /// empty.
    ///
    /// # Errors
    /// If there are not as many parts as ranks, a rank is gone, or a part is larger than one message can be.
    fn swap(&self, parts: &[&[u32]]) -> Result<Vec<Vec<u32>>>;

    /// As [`Exchange::swap`], of parts whose lengths all ranks know: what rank `r` gives comes into `got[r]`, and neither is copied on
    /// the way where that can be helped. What this rank would give to itself is not looked at.
    ///
    /// # Errors
    /// As [`Exchange::swap`], or if a part has another length than `got` has room for.
    fn swap_known(&self, parts: &[&[u32]], got: &mut [&mut [u32]]) -> Result<()> {
        let given = self.swap(parts)?;
        let others = given.iter().zip(got).enumerate().filter(|(rank, _)| *rank != self.rank());
        others.into_iter().try_for_each(|(rank, (part, room))| {
            check_known(rank, part.len(), room.len())?;
            room.copy_from_slice(part);
            Ok(())
        })
    }

    /// Ends the ranks of this run, all of them, at once, with an exit code.
    fn end_all(&self, code: u8) -> ! {
        std::process::exit(code.into())
    }

    /// Says that this rank gives nothing any more; returns once all have said so.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl dyn Exchange + '_ {
    /// What each rank has, by rank.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    pub fn gather(&self, own: &[u32]) -> Result<Vec<Vec<u32>>> {
        self.swap(&vec![own; self.ranks()])
    }

    /// What each rank has, by rank, for rank 0; the others get nothing.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    pub fn collect(&self, own: &[u32]) -> Result<Vec<Vec<u32>>> {
        let mut parts: Vec<&[u32]> = vec![&[]; self.ranks()];
        parts[0] = own;
        self.swap(&parts)
    }

    /// What rank 0 has, for all; what the others have is not looked at.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    pub fn broadcast(&self, own: &[u32]) -> Result<Vec<u32>> {
        let given = if self.leads() { own } else { &[] };
        let mut got = self.swap(&vec![given; self.ranks()])?;
        Ok(got.swap_remove(0))
    }

    /// As [`gather`](trait.Exchange.html#method.gather), of texts.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    pub fn gather_text(&self, own: &str) -> Result<Vec<String>> {
        self.gather(&words(own))?.iter().map(|words| text(words)).collect()
    }

    /// As [`broadcast`](trait.Exchange.html#method.broadcast), of a text.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    pub fn broadcast_text(&self, own: &str) -> Result<String> {
        text(&self.broadcast(&words(own))?)
    }

    /// Whether it is rank 0, which alone writes and tells.
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// Fails unless all ranks have the same text for something; the first that differs from rank 0 is named with both texts.
    /// `what` is what it is of a rank, `remedy` what is to be done.
    ///
    /// # Errors
    /// If one differs, the same error in all ranks; or as [`Exchange::swap`].
    pub fn agree(&self, what: &str, own: &str, remedy: &str) -> Result<()> {
        let hosts = self.gather_text(&self.host())?;
        let all = self.gather_text(own)?;
        let named = |rank: usize| match hosts[rank].is_empty() {
            true => format!("rank {rank}"),
            false => format!("rank {rank} (on {})", hosts[rank]),
        };
        match (1..all.len()).find(|r| all[*r] != all[0]) {
            None => Ok(()),
            Some(other) => Err(Error::Config(format!(
                "{} has another {what} than {}: {} there, {} here; {remedy}",
                named(other),
                named(0),
                all[other],
                all[0]
            ))),
        }
    }
}

/// Number of bytes, then the bytes, four to a word.
fn words(text: &str) -> Vec<u32> {
    let four = |bytes: &[u8]| {
        let mut all = [0; 4];
        all[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(all)
    };
    [text.len() as u32].into_iter().chain(text.as_bytes().chunks(4).map(four)).collect()
}

fn text(words: &[u32]) -> Result<String> {
    let damaged = || Error::Config("another rank sent what is no text: all ranks must be the same program".into());
    let (len, words) = words.split_first().ok_or_else(damaged)?;
    let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    if bytes.len() < *len as usize {
        return Err(damaged());
    }
    bytes.truncate(*len as usize);
    String::from_utf8(bytes).map_err(|_| damaged())
}

/// The parts of an exchange, as many as ranks.
fn check_parts(parts: &[&[u32]], ranks: usize) -> Result<()> {
    match parts.len() == ranks {
        true => Ok(()),
        false => Err(Error::Config(format!("{} parts were given to {ranks} ranks", parts.len()))),
    }
}

/// Words that a rank gave, and how many were expected of it.
fn check_known(rank: usize, given: usize, expected: usize) -> Result<()> {
    match given == expected {
        true => Ok(()),
        false => Err(Error::Config(format!("rank {rank} gave {given} words where {expected} were expected"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use simulated::on_ranks;

    #[test]
    fn texts_go_through_words() {
        for t in ["", "a", "four", "Größe 5"] {
            assert_eq!(text(&words(t)).unwrap(), t);
        }
        assert!(text(&[9, 0]).is_err() && text(&[]).is_err());
    }

    #[test]
    fn everyone_gets_what_was_meant_for_them() {
        for ranks in [1, 2, 5] {
            on_ranks(ranks, |ex| {
                let own: Vec<Vec<u32>> = (0..ranks).map(|to| vec![ex.rank() as u32; to]).collect();
                let got = ex.swap(&own.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
                let expected: Vec<Vec<u32>> = (0..ranks as u32).map(|from| vec![from; ex.rank()]).collect();
                assert_eq!(got, expected);
                let all: Vec<Vec<u32>> = (0..ranks as u32).map(|r| vec![r; 2]).collect();
                assert_eq!(ex.gather(&[ex.rank() as u32; 2]).unwrap(), all);
                assert_eq!(ex.broadcast(&[7 + ex.rank() as u32]).unwrap(), [7]);
                let collected = ex.collect(&[ex.rank() as u32]).unwrap();
                assert_eq!(collected.concat().len(), if ex.leads() { ranks } else { 0 });
                assert_eq!(ex.broadcast_text("of rank 0").unwrap(), "of rank 0");
                assert!(ex.swap(&[]).is_err());
            });
        }
    }

    #[test]
    fn parts_of_known_lengths_come_where_they_are_wanted() {
        for ranks in [1, 2, 4] {
            on_ranks(ranks, |ex| {
                let own = [7 + ex.rank() as u32; 3];
                let mut rows = vec![[0; 3]; ranks];
                ex.swap_known(&vec![&own[..]; ranks], &mut rows.iter_mut().map(|row| &mut row[..]).collect::<Vec<_>>())
                    .unwrap();
                for (rank, row) in rows.iter().enumerate().filter(|(rank, _)| *rank != ex.rank()) {
                    assert_eq!(*row, [7 + rank as u32; 3]);
                }
                let mut short = vec![[0; 2]; ranks];
                let short: Result<()> = ex.swap_known(
                    &vec![&own[..]; ranks],
                    &mut short.iter_mut().map(|row| &mut row[..]).collect::<Vec<_>>(),
                );
                assert_eq!(short.is_err(), ranks > 1);
            });
        }
    }

    #[test]
    fn who_differs_is_named_by_all() {
        on_ranks(3, |ex| {
            ex.agree("version", "1", "").unwrap();
            let own = if ex.rank() == 1 { "2" } else { "1" };
            let m = ex.agree("version", own, "install one").unwrap_err().to_string();
            assert_eq!(m, "rank 1 has another version than rank 0: 2 there, 1 here; install one");
        });
    }

    #[test]
    fn a_rank_that_is_gone_is_an_error() {
        let mut team = simulated::team(2);
        drop(team.remove(1));
        let first: &dyn Exchange = &team[0];
        assert!(first.gather(&[1]).unwrap_err().to_string().contains("rank 1"));
    }
}
