//! Where a run is cut into submissions. Drivers end a submission that takes seconds, and a desktop on the same GPU stands
//! still while one runs. How long the commands of a program take is measured: alone at first, then as they are submitted.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Runs that are measured at first: in the first one drivers finish kernels, so that the second one tells more.
const FIRST: usize = 2;
/// After so long they are measured again: clocks fall, and other programs come.
const AGAIN: Duration = Duration::from_secs(10);

/// What is known of the time of a program's commands.
pub(super) struct Pace {
    /// Seconds of each; `None` before it ran.
    seconds: Vec<Option<f64>>,
    /// How often each was measured, until [`FIRST`].
    times: Vec<usize>,
    last: Instant,
}

impl Pace {
    /// Nothing is known of `commands` commands.
    pub fn new(commands: usize) -> Pace {
        Pace { seconds: vec![None; commands], times: vec![0; commands], last: Instant::now() }
    }

    /// Whether these commands should be waited for, piece by piece, and [`Pace::took`] told of it.
    pub fn is_due(&self, commands: &Range<usize>) -> bool {
        self.times[commands.clone()].iter().any(|t| *t < FIRST) || self.last.elapsed() >= AGAIN
    }

    /// Cuts commands into pieces that take `goal` seconds at most, by what is known; a command of which nothing is known is
    /// a piece, and so is one that takes longer.
    pub fn pieces(&self, commands: Range<usize>, goal: f64) -> Vec<Range<usize>> {
        let (mut pieces, mut start, mut sum) = (Vec::new(), commands.start, 0.0);
        for i in commands.clone() {
            let own = self.seconds[i].unwrap_or(f64::INFINITY);
            if i > start && sum + own > goal {
                pieces.push(start..i);
                (start, sum) = (i, 0.0);
            }
            sum += own;
        }
        if start < commands.end {
            pieces.push(start..commands.end);
        }
        pieces
    }

    /// A piece took so long, from its submission until it was done.
    pub fn took(&mut self, piece: Range<usize>, seconds: f64) {
        let known: Option<f64> = self.seconds[piece.clone()].iter().copied().sum();
        let even = seconds / piece.len() as f64;
        for i in piece {
            self.times[i] = (self.times[i] + 1).min(FIRST);
            self.seconds[i] = Some(match (self.seconds[i], known) {
                // Each its share: alone it took its waiting too.
                (Some(own), Some(all)) if all > 0.0 => seconds * own / all,
                _ => even,
            });
        }
        self.last = Instant::now();
    }

    /// The command that takes longest, and its seconds.
    pub fn longest(&self) -> Option<(usize, f64)> {
        let known = self.seconds.iter().enumerate().filter_map(|(i, s)| Some((i, (*s)?)));
        known.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begin and end of each piece.
    fn cut(pace: &Pace, commands: Range<usize>, goal: f64) -> Vec<(usize, usize)> {
        pace.pieces(commands, goal).into_iter().map(|p| (p.start, p.end)).collect()
    }

    #[test]
    fn what_is_not_known_runs_alone() {
        let mut pace = Pace::new(4);
        assert!(pace.is_due(&(0..4)));
        assert_eq!(cut(&pace, 0..4, 0.1), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        pace.took(1..2, 0.01);
        assert_eq!(cut(&pace, 0..4, 0.1), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        pace.took(2..3, 0.01);
        assert_eq!(cut(&pace, 0..4, 0.1), [(0, 1), (1, 3), (3, 4)]);
        assert_eq!(cut(&pace, 2..3, 0.1), [(2, 3)]);
        assert_eq!(cut(&pace, 2..2, 0.1), []);
        assert_eq!(pace.longest(), Some((2, 0.01)));
    }

    #[test]
    fn pieces_keep_to_the_goal() {
        let mut pace = Pace::new(5);
        for (i, s) in [0.06, 0.03, 0.2, 0.05, 0.01].into_iter().enumerate() {
            pace.took(i..i + 1, s);
        }
        assert_eq!(cut(&pace, 0..5, 0.1), [(0, 2), (2, 3), (3, 5)]);
        assert_eq!(cut(&pace, 0..5, 1.0), [(0, 5)]);
        assert_eq!(pace.longest(), Some((2, 0.2)));
    }

    /// Together they took less than alone: then more of them fit.
    #[test]
    fn a_piece_tells_of_its_commands() {
        let mut pace = Pace::new(3);
        (0..3).for_each(|i| pace.took(i..i + 1, 0.06));
        assert!(pace.is_due(&(0..3)), "measured once");
        assert_eq!(pace.pieces(0..3, 0.1).len(), 3);
        pace.took(0..3, 0.09);
        assert!(!pace.is_due(&(0..3)), "measured twice");
        assert_eq!(cut(&pace, 0..3, 0.1), [(0, 3)]);
        pace.took(0..3, 0.9);
        assert_eq!(pace.pieces(0..3, 0.1).len(), 3);
        let (_, longest) = pace.longest().unwrap();
        assert!((longest - 0.3).abs() < 1e-12);
    }
}
