//! Leaves images in their files, to be decoded when they are asked for.

use super::{Budget, Loaded, decoded, mixed_sizes};
use crate::data::images::{Encoded, Skips};
use crate::data::index::{Facts, Found, Item, Origin, Part, Seen, survey};
use crate::data::{Dataset, OnError, OpenOptions};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Makes images of what was found at `path`, with as many of them in memory as the budget has room for. With `crops`, random crops of the
/// training part see its originals where these are not all of one size with what they are brought to.
pub(super) fn load(path: &Path, found: &Found, options: &OpenOptions, crops: bool, budget: Budget) -> Result<Loaded> {
    let mut known = Known::survey(path, found, options)?;
    let size = known.size(path, options)?;
    let crops = crops && known.of(Part::Train).any(|(_, f, _)| extents(&f)[..2] != size);
    known.leave_out_narrow(size, crops)?;
    let c = options.channels.or_else(|| known.colours()).unwrap_or(3);
    let all = known.items.len();
    let most = (options.most_skipped * all as f64) as usize;
    let skips =
        (options.on_error == OnError::Skip).then(|| Arc::new(Skips::new(most.saturating_sub(known.skipped.len()))));
    let to_size = OpenOptions { size: Some(size), channels: Some(c), ..options.clone() };
    let (mut parts, mut left) = ([None, None, None], budget.left);
    let (mut on_disk, mut in_memory) = (0, 0);
    for part in Part::ALL {
        if found.parts[part as usize].is_none() {
            continue;
        }
        let crops = crops && part == Part::Train;
        let of_part: Vec<(&Item, Facts, Seen)> = known.of(part).collect();
        let [h, w] = size;
        let bytes: u64 = match crops {
            true => of_part.iter().map(|(_, f, _)| f.extents[0] as u64 * f.extents[1] as u64 * c as u64).sum(),
            false => (of_part.len() * h * w * c) as u64,
        };
        let fits = bytes <= left;
        if fits {
            left -= bytes;
            in_memory += of_part.len();
        } else {
            on_disk += of_part.len();
        }
        if fits && !crops && !of_part.is_empty() {
            let mut loaded = decoded::load(path, found, &[part], &to_size)?;
            parts[part as usize] = loaded.parts[part as usize].take();
            // Most of them were told above.
            loaded.skipped.retain(|s| !known.skipped.contains(s));
            known.skipped.extend(loaded.skipped);
            continue;
        }
        let mut files =
            Encoded::new(of_part.iter().map(|(i, _, seen)| ((*i).clone(), *seen)).collect(), c, options.pixels);
        if crops {
            files = files.cropped();
        }
        if fits {
            files = files.kept();
        }
        if let Some(skips) = &skips {
            files = files.skipping(skips.clone());
        }
        parts[part as usize] = Some(dataset(found, &of_part, files, size, c));
    }
    let mut notes = Vec::new();
    if on_disk > 0 {
        let mib = |bytes: u64| bytes >> 20;
        notes.push(format!(
            "{on_disk} images are decoded as they are needed, {in_memory} fit into data.memory = {} MiB",
            mib(budget.all)
        ));
        if budget.held > 0 {
            notes.push(format!(
                "their files lie compressed together, so that {} MiB of them are kept in memory: onebit pack makes of them one \
                 file that is read from the disk",
                mib(budget.held)
            ));
        }
    }
    Ok(Loaded { parts, skipped: known.skipped, notes })
}

/// A part whose images stay in their files.
fn dataset(found: &Found, of_part: &[(&Item, Facts, Seen)], files: Encoded, [h, w]: [usize; 2], c: usize) -> Dataset {
    let origin =
        |(item, f, _): &(&Item, Facts, Seen)| Origin { name: item.entry.name.clone(), bytes: f.bytes, crc32: f.crc32 };
    Dataset {
        name: found.name.clone(),
        h,
        w,
        c,
        labels: found.labels(of_part.iter().map(|(i, ..)| *i)),
        classes: found.classes.clone(),
        origins: Some(of_part.iter().map(origin).collect()),
        // A part that was drawn may have come out empty.
        images: if of_part.is_empty() { Vec::new().into() } else { files.into() },
    }
}

/// What is known of all images of a set; nothing of those that are skipped.
struct Known<'a> {
    options: &'a OpenOptions,
    items: Vec<&'a Item>,
    /// Of each item.
    parts: Vec<Part>,
    facts: Vec<Option<(Facts, Seen)>>,
    /// Path and reason.
    skipped: Vec<(String, String)>,
}

impl<'a> Known<'a> {
    /// Reads every file, or what was found when it was read before.
    fn survey(path: &Path, found: &'a Found, options: &'a OpenOptions) -> Result<Known<'a>> {
        let of_parts = Part::ALL.into_iter().zip(&found.parts);
        let items = of_parts.flat_map(|(part, items)| items.iter().flatten().map(move |item| (part, item)));
        let (parts, items): (Vec<Part>, Vec<&Item>) = items.unzip();
        // What is skipped must not depend on whether images are decoded now or later.
        let decode = options.on_error == OnError::Skip;
        let mut known = Known { options, items, parts, facts: Vec::new(), skipped: Vec::new() };
        for (i, found) in survey(path, &known.items, &options.pixels, decode).into_iter().enumerate() {
            known.facts.push(None);
            match found {
                Ok(facts) => known.facts[i] = Some(facts),
                Err(e) => known.skip(i, e)?,
            }
        }
        Ok(known)
    }

    fn skip(&mut self, i: usize, e: Error) -> Result<()> {
        self.facts[i] = None;
        self.options.skip(&self.items[i].entry, e, self.items.len(), &mut self.skipped)
    }

    fn all(&self) -> impl Iterator<Item = (&'a Item, Facts)> {
        self.items.iter().zip(&self.facts).filter_map(|(item, found)| found.map(|(facts, _)| (*item, facts)))
    }

    fn of(&self, part: Part) -> impl Iterator<Item = (&'a Item, Facts, Seen)> {
        let of_all = self.parts.iter().zip(self.items.iter().zip(&self.facts));
        let of_part = of_all.filter(move |(p, _)| **p == part);
        of_part.filter_map(|(_, (item, found))| found.map(|(facts, seen)| (*item, facts, seen)))
    }

    /// The size that all have or are brought to.
    fn size(&self, path: &Path, options: &OpenOptions) -> Result<[usize; 2]> {
        let Some((first, one)) = self.all().next() else {
            return Err(Error::data(path, "no image of it can be read"));
        };
        let [first_h, first_w, _] = extents(&one);
        match (options.size, self.all().find(|(_, f)| f.extents[..2] != one.extents[..2])) {
            (Some(size), _) => Ok(size),
            (None, None) => Ok([first_h, first_w]),
            (None, Some((item, other))) => {
                let [h, w, _] = extents(&other);
                Err(mixed_sizes(item, [h, w], first, [first_h, first_w]))
            }
        }
    }

    /// One colour image makes it a colour set.
    fn colours(&self) -> Option<usize> {
        self.all().map(|(_, f)| extents(&f)[2]).max()
    }

    /// Skips pictures so narrow that nearly nothing of them is left at this size. Crops of originals are the one thing that needs
    /// no square of a picture.
    fn leave_out_narrow(&mut self, size: [usize; 2], crops: bool) -> Result<()> {
        for i in 0..self.items.len() {
            let squares = !(crops && self.parts[i] == Part::Train);
            if let (true, Some((f, _))) = (squares, &self.facts[i])
                && let Err(e) = self.items[i].check_cover([extents(f)[0], extents(f)[1]], size)
            {
                self.skip(i, e)?;
            }
        }
        Ok(())
    }
}

fn extents(f: &Facts) -> [usize; 3] {
    f.extents.map(|n| n as usize)
}
