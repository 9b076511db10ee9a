//! What codes have in common, counted from lists: for each sampled place and each letter the centres that have it there. A
//! point then touches the few centres that share something with it, instead of comparing all places of all centres.

use crate::kernels::entry::check_length;
use crate::kernels::isa::Isa;
use rayon::prelude::*;

/// Points that a task takes: some milliseconds of work at the usual sizes, and many more tasks than threads.
const POINTS: usize = 256;

/// A place of a centre's code that is not looked at.
pub const NOT_SAMPLED: u16 = u16::MAX;

/// What stands at a place that a code does not have.
pub const NO_PLACE: u16 = u16::MAX - 1;

/// A number of a point's sampled code (FNV-1a over 16-bit letters).
pub fn digest(code: impl IntoIterator<Item = u16>) -> u32 {
    code.into_iter().fold(0x811C_9DC5, |h, c| (h ^ c as u32).wrapping_mul(0x0100_0193))
}

/// Of equally similar centres the one of the smallest key is taken (the finaliser of MurmurHash3, a bijection).
pub fn tie_key(digest: u32, centre: u32) -> u32 {
    let mut h = digest ^ centre.wrapping_mul(0x9E37_79B9);
    h = (h ^ h >> 16).wrapping_mul(0x85EB_CA6B);
    h = (h ^ h >> 13).wrapping_mul(0xC2B2_AE35);
    h ^ h >> 16
}

/// `codes i16 [n, v]`, `columns [g, m]`, `centres i16 [g, k, m]`, packed, to numbers `[g, n]`; see
/// [`crate::ops::cluster::MostShared`]. `random`: ties by key, else by number.
///
/// # Panics
/// If an extent is zero or more than 16 bits count, or the slices are not of one set of them.
pub fn most_shared(
    isa: Isa,
    (v, m, k): (usize, usize, usize),
    (random, euclidean): (bool, bool),
    codes: &[u32],
    columns: &[u32],
    centres: &[u32],
    found: &mut [u32],
) {
    assert!(v > 0 && m > 0 && k > 0, "most_shared: extents {v}, {m} and {k}");
    // Centres and counts are kept in 16 bits.
    assert!(
        m <= u16::MAX as usize && k <= 1 << 16,
        "most_shared: {m} places of {k} centres are more than 16 bits count"
    );
    let (row, centre_row) = (v.div_ceil(2), m.div_ceil(2));
    let (n, sets) = (codes.len() / row, columns.len() / m);
    check_length("most_shared", "codes", codes.len(), n * row);
    check_length("most_shared", "columns", columns.len(), sets * m);
    let expected = centre_row.checked_mul(k).and_then(|set| set.checked_mul(sets));
    check_length("most_shared", "centres", centres.len(), expected.expect("most_shared: extents that can be counted"));
    check_length("most_shared", "the numbers of centres", found.len(), sets * n);
    let lists: Vec<Lists> = (0..sets)
        .into_par_iter()
        .map(|set| Lists::new(&centres[set * k * centre_row..][..k * centre_row], m))
        .collect();
    let tasks: Vec<(usize, usize, &mut [u32])> = found
        .chunks_mut(n.max(1))
        .enumerate()
        .flat_map(|(set, row)| row.chunks_mut(POINTS).enumerate().map(move |(t, found)| (set, t * POINTS, found)))
        .collect();
    tasks.into_par_iter().for_each_init(Vec::new, |counts, (set, first, found)| {
        let (lists, columns) = (&lists[set], &columns[set * m..][..m]);
        let mut seen = Vec::with_capacity(m);
        for (i, found) in found.iter_mut().enumerate() {
            let code = &codes[(first + i) * row..][..row];
            seen.clear();
            seen.extend(columns.iter().map(|c| if (*c as usize) < v { half(code, *c as usize) } else { NO_PLACE }));
            counts.clear();
            counts.resize(k, 0u16);
            for (place, letter) in seen.iter().enumerate() {
                lists.of(place, *letter).iter().for_each(|j| counts[*j as usize] += 1);
            }
            let digest = if random { digest(seen.iter().copied()) } else { 0 };
            let key = |j: usize| if random { tie_key(digest, j as u32) } else { 0 };
            isa.run(
                #[inline(always)]
                || {
                    *found = match euclidean {
                        true => best(k, |j| 2 * counts[j] as i32 - lists.sampled[j] as i32, key),
                        false => best(k, |j| counts[j] as i32, key),
                    }
                },
            );
        }
    });
}

/// The number of the largest score; of equal ones that of the smallest key, then the lowest.
#[inline(always)]
fn best(k: usize, score: impl Fn(usize) -> i32, key: impl Fn(usize) -> u32) -> u32 {
    let most = (0..k).fold(i32::MIN, |most, j| most.max(score(j)));
    let ties = (0..k).filter(|j| score(*j) == most);
    ties.min_by_key(|j| (key(*j), *j)).unwrap_or(0) as u32
}

fn half(row: &[u32], i: usize) -> u16 {
    (row[i / 2] >> (16 * (i % 2))) as u16
}

/// The centres that have a letter at a place.
struct Lists {
    /// Letters that occur are below.
    letters: usize,
    /// Where the list of each place and letter starts, `[m * letters + 1]`.
    starts: Vec<u32>,
    /// Numbers of centres, list after list.
    centres: Vec<u16>,
    /// Places that each centre has a letter at.
    sampled: Vec<u16>,
}

impl Lists {
    /// Of packed centres `[k, m]`.
    fn new(centres: &[u32], m: usize) -> Lists {
        let rows = || centres.chunks_exact(m.div_ceil(2)).map(|row| (0..m).map(|u| half(row, u)));
        let is_letter = |l: &u16| *l != NOT_SAMPLED;
        let letters = rows().flatten().filter(is_letter).max().map_or(0, |l| l as usize + 1);
        let mut starts = vec![0u32; m * letters + 1];
        let mut sampled = Vec::new();
        for row in rows() {
            let mut count = 0;
            for (u, l) in row.enumerate().filter(|(_, l)| is_letter(l)) {
                starts[u * letters + l as usize + 1] += 1;
                count += 1;
            }
            sampled.push(count);
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut listed = vec![0; starts.last().copied().unwrap_or(0) as usize];
        for (j, row) in rows().enumerate() {
            for (u, l) in row.enumerate().filter(|(_, l)| is_letter(l)) {
                let at = &mut next[u * letters + l as usize];
                listed[*at as usize] = j as u16;
                *at += 1;
            }
        }
        Lists { letters, starts, centres: listed, sampled }
    }

    fn of(&self, place: usize, letter: u16) -> &[u16] {
        if letter as usize >= self.letters {
            return &[];
        }
        let at = place * self.letters + letter as usize;
        &self.centres[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}
