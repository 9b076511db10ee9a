//! Decodes the images of an index into memory.

use super::{Loaded, mixed_sizes};
use crate::data::index::{Found, Item, Origin, Part};
use crate::data::pixels::Pixels;
use crate::data::{Dataset, OpenOptions};
use crate::error::{Error, Result};
use crate::memory;
use rayon::prelude::*;
use std::path::Path;

/// Images that are decoded at a time, and bytes of them; bounds the memory beside the set itself. 256 MiB are all 1,024 images
/// up to some 300 x 300 pixels in colour, little beside a set of so many, and at 4,000 x 3,000 still seven of them, or one for each
/// thread. More would keep threads busy longer between two chunks, less would leave them waiting for the last image of each.
const CHUNK: usize = 1024;
const CHUNK_BYTES: usize = 256 << 20;

/// Decodes all images of the parts that are `wanted`, in parallel, to one size and number of channels. `path` is where the
/// set is.
pub(super) fn load(path: &Path, found: &Found, wanted: &[Part], options: &OpenOptions) -> Result<Loaded> {
    let loaded = load_while(path, found, wanted, options, |_, _| true)?;
    Ok(loaded.expect("nothing stops it"))
}

/// As [`load`], of all parts; `None` as soon as a training image is seen to have another size than `size` in its file.
pub(super) fn load_uniform(
    path: &Path,
    found: &Found,
    options: &OpenOptions,
    size: [usize; 2],
) -> Result<Option<Loaded>> {
    let train = found.parts[Part::Train as usize].as_ref().map_or(0, Vec::len);
    // Training images come first.
    load_while(path, found, &Part::ALL, options, |at, original| at >= train || original == size)
}

/// As [`load`], as long as `go_on` agrees to each image, of which it is given the number and the height and width in its file.
fn load_while(
    path: &Path,
    found: &Found,
    wanted: &[Part],
    options: &OpenOptions,
    go_on: impl Fn(usize, [usize; 2]) -> bool + Sync,
) -> Result<Option<Loaded>> {
    let parts_wanted = || Part::ALL.into_iter().filter(|part| wanted.contains(part));
    let items: Vec<&Item> = parts_wanted().filter_map(|part| found.parts[part as usize].as_ref()).flatten().collect();
    let mut all = Growing { items: &items, first: None, kept: Vec::new(), pixels: Vec::new(), origins: Vec::new() };
    let mut skipped = Vec::new();
    let mut done = 0;
    while done < items.len() {
        // The first one alone: it tells how large they are, and whether there is room for all.
        let most = match all.first {
            None => 1,
            Some((h, w, c, _)) => (CHUNK_BYTES / (h * w * c).max(1)).clamp(rayon::current_num_threads(), CHUNK),
        };
        let chunk = &items[done..items.len().min(done + most)];
        // Collected before they are looked at: of several bad files the first one is named, every time.
        let one = |(k, item): (usize, &&Item)| item.pixels(options, |original| go_on(done + k, original));
        let decoded: Vec<Result<Option<(Pixels, Origin)>>> = chunk.par_iter().enumerate().map(one).collect();
        // Before any error: one that is not as large may be refused for that alone.
        if decoded.iter().any(|d| matches!(d, Ok(None))) {
            return Ok(None);
        }
        for (k, (decoded, item)) in decoded.into_iter().zip(chunk).enumerate() {
            match decoded {
                Ok(Some((pixels, origin))) => all.add(done + k, item, pixels, origin)?,
                Ok(None) => return Ok(None),
                Err(e) => options.skip(&item.entry, e, items.len(), &mut skipped)?,
            }
        }
        done += chunk.len();
    }
    let Some((mut pixels, h, w, c)) = all.finish() else {
        return Err(Error::data(path, "no image of it can be read"));
    };
    let (kept, mut origins) = (all.kept, all.origins.into_iter());
    let mut parts = [None, None, None];
    let mut start = 0;
    let mut kept = kept.into_iter().peekable();
    for part in parts_wanted() {
        let Some(items) = &found.parts[part as usize] else { continue };
        let mut of_part = Vec::new();
        while let Some(at) = kept.next_if(|at| *at < start + items.len()) {
            of_part.push(&items[at - start]);
        }
        start += items.len();
        let n = of_part.len();
        let rest = pixels.split_off(n * h * w * c);
        let images = std::mem::replace(&mut pixels, rest).into();
        let labels = found.labels(of_part.into_iter());
        let origins = Some(origins.by_ref().take(n).collect());
        let (name, classes) = (found.name.clone(), found.classes.clone());
        parts[part as usize] = Some(Dataset { name, images, h, w, c, labels, classes, origins });
    }
    Ok(Some(Loaded { parts, skipped, notes: Vec::new() }))
}

/// Pixels of images of one size, as they come.
struct Growing<'a> {
    items: &'a [&'a Item],
    /// Height, width, channels, and the image that they were seen from.
    first: Option<(usize, usize, usize, &'a Item)>,
    /// Places of the images that are kept.
    kept: Vec<usize>,
    pixels: Vec<u8>,
    origins: Vec<Origin>,
}

impl<'a> Growing<'a> {
    fn add(&mut self, at: usize, item: &'a Item, p: Pixels, origin: Origin) -> Result<()> {
        let (h, w, c, first) = *self.first.get_or_insert((p.h, p.w, p.c, item));
        if (p.h, p.w) != (h, w) {
            return Err(mixed_sizes(item, [p.h, p.w], first, [h, w]));
        }
        // One colour image makes it a colour set.
        if p.c > c {
            self.first = Some((h, w, p.c, first));
            self.room(h * w * p.c)?;
            let so_far = std::mem::take(&mut self.pixels);
            self.pixels = Pixels { h, w, c, data: so_far }.with_channels(p.c).data;
        }
        let c = c.max(p.c);
        let p = p.with_channels(c);
        if self.pixels.len() + p.data.len() > self.pixels.capacity() {
            self.reserve(p.data.len())?;
        }
        self.pixels.extend_from_slice(&p.data);
        self.kept.push(at);
        self.origins.push(origin);
        Ok(())
    }

    /// Bytes that are still needed for all images of `bytes` bytes each, if there is that much memory.
    fn room(&self, bytes: usize) -> Result<usize> {
        let needed = (self.items.len() as u64).saturating_mul(bytes as u64);
        let more = needed.saturating_sub(self.pixels.len() as u64);
        memory::check(more).map_err(|e| self.too_many(&e.to_string()))?;
        Ok(more as usize)
    }

    /// Makes room for all images of `bytes` bytes each.
    fn reserve(&mut self, bytes: usize) -> Result<()> {
        let more = self.room(bytes)?;
        let reserved = self.pixels.try_reserve_exact(more);
        reserved.map_err(|_| self.too_many(&format!("{more} bytes more than can be had")))
    }

    fn too_many(&self, why: &str) -> Error {
        let n = self.items.len();
        let (path, what) = match self.first {
            Some((h, w, c, first)) => (first.entry.path.clone(), format!("is {h}x{w}x{c}, and {n} such images")),
            None => (Default::default(), format!("{n} images")),
        };
        Error::data(path, format!("{what} take {why}: give a smaller size with --set data.size=[H,W]"))
    }

    fn finish(&mut self) -> Option<(Vec<u8>, usize, usize, usize)> {
        let (h, w, c, _) = self.first?;
        Some((std::mem::take(&mut self.pixels), h, w, c))
    }
}
