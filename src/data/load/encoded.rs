//! Leaves images in their files, to be decoded when they are asked for.

use super::{Loaded, decoded, mixed_sizes};
use crate::data::images::{Encoded, Skips};
use crate::data::index::{Facts, Found, Item, Origin, Part, survey};
use crate::data::{Dataset, OnError, OpenOptions};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Makes images of what was found at `path`, with at most `budget` bytes of them in memory. With `crops`, random crops of the
/// training part see its originals.
pub(super) fn load(path: &Path, found: &Found, options: &OpenOptions, crops: bool, budget: u64) -> Result<Loaded> {
    let items: Vec<&Item> = found.parts.iter().flatten().flatten().collect();
    let mut skipped = Vec::new();
    let mut facts = Vec::with_capacity(items.len());
    // What is skipped must not depend on whether images are decoded now or later.
    let decode = options.on_error == OnError::Skip;
    for (found, item) in survey(path, &items, &options.pixels, decode).into_iter().zip(&items) {
        match found {
            Ok(known) => facts.push(Some(known)),
            Err(e) => {
                options.skip(&item.entry, e, items.len(), &mut skipped)?;
                facts.push(None);
            }
        }
    }
    let known: Vec<(&Item, Facts)> = items.iter().zip(&facts).filter_map(|(i, f)| Some((*i, (*f)?))).collect();
    let Some((first, one)) = known.first() else { return Err(Error::data(path, "no image of it can be read")) };
    let extents = |f: &Facts| f.extents.map(|n| n as usize);
    let [h, w] = match (options.size, known.iter().find(|(_, f)| f.extents[..2] != one.extents[..2])) {
        (Some(size), _) => size,
        (None, None) => [extents(one)[0], extents(one)[1]],
        (None, Some((item, other))) => {
            let ([h, w, _], [first_h, first_w, _]) = (extents(other), extents(one));
            return Err(mixed_sizes(item, [h, w], first, [first_h, first_w]));
        }
    };
    // Crops of originals are the one thing that needs no square of a picture.
    let uncropped = found.parts.iter().enumerate().flat_map(|(part, items)| {
        let squares = !(crops && part == Part::Train as usize);
        items.iter().flatten().map(move |_| squares)
    });
    let uncropped: Vec<bool> = uncropped.collect();
    let mut narrow = Vec::new();
    for (i, (item, known)) in items.iter().zip(&facts).enumerate() {
        if let (true, Some(f)) = (uncropped[i], known)
            && let Err(e) = item.check_cover([extents(f)[0], extents(f)[1]], [h, w])
        {
            options.skip(&item.entry, e, items.len(), &mut skipped)?;
            narrow.push(i);
        }
    }
    narrow.into_iter().for_each(|i| facts[i] = None);
    // One colour image makes it a colour set.
    let colour = || facts.iter().flatten().map(|f| f.extents[2] as usize).max();
    let c = options.channels.or_else(colour).unwrap_or(3);

    let most = (options.most_skipped * items.len() as f64) as usize;
    let skips = decode.then(|| Arc::new(Skips::new(most.saturating_sub(skipped.len()))));
    let to_size = OpenOptions { size: Some([h, w]), channels: Some(c), ..options.clone() };
    let (mut parts, mut left, mut start) = ([None, None, None], budget, 0);
    let (mut on_disk, mut in_memory) = (0, 0);
    for part in Part::ALL {
        let Some(items) = &found.parts[part as usize] else { continue };
        let facts = &facts[start..start + items.len()];
        start += items.len();
        let known: Vec<(&Item, Facts)> = items.iter().zip(facts).filter_map(|(i, f)| Some((i, (*f)?))).collect();
        let crops = crops && part == Part::Train;
        let bytes: u64 = match crops {
            true => known.iter().map(|(_, f)| f.extents[0] as u64 * f.extents[1] as u64 * c as u64).sum(),
            false => (known.len() * h * w * c) as u64,
        };
        let fits = bytes <= left;
        if fits {
            left -= bytes;
            in_memory += known.len();
        } else {
            on_disk += known.len();
        }
        if fits && !crops && !known.is_empty() {
            let mut loaded = decoded::load(path, found, &[part], &to_size)?;
            parts[part as usize] = loaded.parts[part as usize].take();
            // Most of them were told above.
            loaded.skipped.retain(|s| !skipped.contains(s));
            skipped.extend(loaded.skipped);
            continue;
        }
        let mut files = Encoded::new(known.iter().map(|(i, _)| (*i).clone()).collect(), c, options.pixels);
        if crops {
            files = files.cropped();
        }
        if fits {
            files = files.kept();
        }
        if let Some(skips) = &skips {
            files = files.skipping(skips.clone());
        }
        let origin =
            |(item, f): &(&Item, Facts)| Origin { name: item.entry.name.clone(), bytes: f.bytes, crc32: f.crc32 };
        parts[part as usize] = Some(Dataset {
            name: found.name.clone(),
            h,
            w,
            c,
            labels: found.labels(known.iter().map(|(i, _)| *i)),
            classes: found.classes.clone(),
            origins: Some(known.iter().map(origin).collect()),
            // A part that was drawn may have come out empty.
            images: if known.is_empty() { Vec::new().into() } else { files.into() },
        });
    }
    let mut notes = Vec::new();
    if on_disk > 0 {
        let mib = budget >> 20;
        notes.push(format!(
            "{on_disk} images are decoded as they are needed, {in_memory} fit into data.memory = {mib} MiB"
        ));
    }
    Ok(Loaded { parts, skipped, notes })
}
