//! What a source holds and a set does not: counted and named, so that nothing vanishes.

use std::collections::BTreeMap;
use std::fmt;

/// Names that are kept of each reason; the others are only counted.
const NAMED: usize = 3;

/// Reasons that a message lists.
const SHOWN: usize = 12;

/// Everything that was left out, by reason.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct LeftOut {
    reasons: BTreeMap<String, (usize, Vec<String>)>,
}

impl LeftOut {
    /// Notes one name, with the reason as people read it: "not an image (.txt)", "a service folder".
    pub fn add(&mut self, reason: impl Into<String>, name: impl Into<String>) {
        let (count, names) = self.reasons.entry(reason.into()).or_default();
        *count += 1;
        if names.len() < NAMED {
            names.push(name.into());
        }
    }

    /// What is left out for one reason: how many, and the names of some.
    pub(crate) fn of(reason: &str, count: usize, names: Vec<String>) -> LeftOut {
        LeftOut { reasons: [(reason.to_string(), (count, names))].into() }
    }

    /// Each reason, with how many there are and the names of some.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, usize, &[String])> {
        self.reasons.iter().map(|(reason, (count, names))| (reason.as_str(), *count, names.as_slice()))
    }

    /// How many are left out for one reason.
    pub fn count_of(&self, reason: &str) -> usize {
        self.reasons.get(reason).map_or(0, |(count, _)| *count)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.reasons.values().map(|(n, _)| n).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Adds what another lists.
    pub fn extend(&mut self, other: LeftOut) {
        for (reason, (count, names)) in other.reasons {
            let mine = self.reasons.entry(reason).or_default();
            mine.0 += count;
            let room = NAMED.saturating_sub(mine.1.len());
            mine.1.extend(names.into_iter().take(room));
        }
    }
}

impl fmt::Display for LeftOut {
    /// "12 left out: 10 not an image (.txt) (a.txt, b.txt, c.txt, ...); 2 a service folder (@eaDir/x, @eaDir/y)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} left out: ", self.count())?;
        for (i, (reason, (count, names))) in self.reasons.iter().take(SHOWN).enumerate() {
            let more = if *count > names.len() { ", ..." } else { "" };
            let and = if i > 0 { "; " } else { "" };
            write!(f, "{and}{count} {reason} ({}{more})", names.join(", "))?;
        }
        let rest: Vec<usize> = self.reasons.values().skip(SHOWN).map(|(count, _)| *count).collect();
        match rest.is_empty() {
            true => Ok(()),
            false => write!(f, "; {} for {} other reasons", rest.iter().sum::<usize>(), rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_and_some_is_named() {
        let mut left_out = LeftOut::default();
        assert!(left_out.is_empty());
        ["a.txt", "b.txt", "c.txt", "d.txt"].iter().for_each(|name| left_out.add("not an image (.txt)", *name));
        let mut other = LeftOut::of("hidden", 1, vec![".x".into()]);
        other.add("not an image (.txt)", "e.txt");
        left_out.extend(other);
        let told = "6 left out: 1 hidden (.x); 5 not an image (.txt) (a.txt, b.txt, c.txt, ...)";
        assert_eq!(left_out.to_string(), told);
        assert_eq!(left_out.count_of("not an image (.txt)"), 5);
        (0..20).for_each(|i| left_out.add(format!("z{i:02}"), "x"));
        let told = left_out.to_string();
        assert!(told.starts_with("26 left out") && told.ends_with("1 z09 (x); 10 for 10 other reasons"), "{told}");
    }
}
