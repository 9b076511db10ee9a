//! The members of a tar, also of several one after the other (`cat a.tar b.tar`).

use super::Source;
use super::entry::{Entry, Section, Stream};
use super::links::Tree;
use super::names;
use crate::error::{Error, Result};
use crate::memory;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

const BLOCK: usize = 512;

/// The members of a tar that is not compressed, each a slice of it.
pub(super) fn list_plain(archive: &Entry) -> Result<Source> {
    let (archive, path) = (&archive.shared(), &archive.path);
    let fail = || Error::io(path, "read");
    let mut stream = archive.open().map_err(fail())?;
    let size = stream.seek(SeekFrom::End(0)).map_err(fail())?;
    let mut tree = Tree::new(path);
    let (mut base, mut is_marked) = (0, true);
    loop {
        stream.seek(SeekFrom::Start(base)).map_err(fail())?;
        let Some((block, skipped)) = next_block(&mut stream).map_err(fail())? else { break };
        let start = base + skipped;
        if base > 0 && !is_header(&block) {
            trailing(&mut tree, size - start, start);
            break;
        }
        let section: Section<Box<dyn Stream>> = Section::new(stream, start, size - start).map_err(fail())?;
        let mut one = ::tar::Archive::new(Ending::of(section));
        for member in one.entries_with_seek().map_err(|e| damaged(path, &e))? {
            let mut member = member.map_err(|e| damaged(path, &e))?;
            let offset = start + member.raw_file_position();
            let len = member.size();
            add(path, &mut tree, &mut member, |name, member| {
                if member.header().entry_type().is_gnu_sparse() {
                    return read(path, name, member);
                }
                if offset.checked_add(len).is_none_or(|end| end > size) {
                    return Err(Error::data(
                        path,
                        format!(
                            "the tar archive is cut short: its file {name} is {len} bytes from byte {offset} on, but the \
                             archive ends at byte {size}; copy or download it again"
                        ),
                    ));
                }
                Ok(archive.member(name.to_string(), offset, len, None))
            })?;
        }
        let Ending { stream: section, reached } = one.into_inner();
        is_marked = !reached;
        base = start + section.position();
        stream = section.stream;
    }
    note_end(&mut tree, is_marked);
    tree.list(true)
}

/// The members of a compressed tar, which can only be read from front to back, unpacked in memory.
pub(super) fn list_packed(archive: &Entry, mut unpacked: Box<dyn Read>) -> Result<Source> {
    let path = &archive.path;
    let mut tree = Tree::new(path);
    let (mut first, mut is_marked) = (true, true);
    while let Some((block, _)) = next_block(&mut unpacked).map_err(|e| damaged(path, &e))? {
        if !first && !is_header(&block) {
            let rest = io::copy(&mut unpacked, &mut io::sink()).map_err(|e| damaged(path, &e))?;
            trailing(&mut tree, block.len() as u64 + rest, 0);
            break;
        }
        first = false;
        let mut one = ::tar::Archive::new(Ending::of(Cursor::new(block).chain(&mut unpacked)));
        for member in one.entries().map_err(|e| damaged(path, &e))? {
            let mut member = member.map_err(|e| damaged(path, &e))?;
            add(path, &mut tree, &mut member, |name, member| read(path, name, member))?;
        }
        is_marked = !one.into_inner().reached;
    }
    note_end(&mut tree, is_marked);
    tree.list(true)
}

/// A stream that knows whether its end was read past. A tar ends before that, at a block of zeros.
struct Ending<S> {
    stream: S,
    reached: bool,
}

impl<S> Ending<S> {
    fn of(stream: S) -> Ending<S> {
        Ending { stream, reached: false }
    }
}

impl<S: Read> Read for Ending<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(into)?;
        self.reached |= n == 0 && !into.is_empty();
        Ok(n)
    }
}

impl<S: Seek> Seek for Ending<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.stream.seek(to)
    }
}

/// Says that an archive stops between two members: some programs write it so, and one that was cut there looks the same.
fn note_end(tree: &mut Tree, is_marked: bool) {
    if !is_marked {
        tree.note("the tar has no mark at its end: if it was cut short there, files are missing".into());
    }
}

/// The next block that is not all zeros, and the bytes passed over until there. `None` at the end.
fn next_block(stream: &mut impl Read) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut skipped = 0;
    loop {
        let mut block = Vec::new();
        stream.take(BLOCK as u64).read_to_end(&mut block)?;
        if block.iter().any(|b| *b != 0) {
            return Ok(Some((block, skipped)));
        }
        if block.len() < BLOCK {
            return Ok(None);
        }
        skipped += BLOCK as u64;
    }
}

/// Whether a block is the header of a member, by its checksum.
fn is_header(block: &[u8]) -> bool {
    let Ok(block) = <&[u8; BLOCK]>::try_from(block) else { return false };
    let sum: u32 = block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { *b as u32 }).sum();
    ::tar::Header::from_byte_slice(block).cksum().is_ok_and(|c| c == sum)
}

fn trailing(tree: &mut Tree, bytes: u64, from: u64) {
    let place = if from > 0 { format!(" from byte {from} on") } else { String::new() };
    tree.left_out("after the end of the tar, and no tar", format!("{bytes} bytes{place}"));
}

/// Adds one member; `file` makes the entry of one that is a file.
fn add<R: Read>(
    path: &Path,
    tree: &mut Tree,
    member: &mut ::tar::Entry<'_, R>,
    file: impl FnOnce(&str, &mut ::tar::Entry<'_, R>) -> Result<Entry>,
) -> Result<()> {
    let kind = member.header().entry_type();
    let raw = member.path_bytes().into_owned();
    let name = names::of_member(&raw);
    // Archives older than the type of a folder tell one by its name.
    let is_folder = kind.is_dir() || (kind.is_file() && raw.ends_with(b"/"));
    let target = member.link_name_bytes().map(|t| t.into_owned()).unwrap_or_default();
    if is_folder {
        tree.folder(name);
    } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
        if let Some(real) = pax_sparse(member).map_err(|e| damaged(path, &e))? {
            return Err(Error::data(
                path,
                format!(
                    "its file {real} is stored with holes (a sparse file in PAX format): pack the archive without --sparse"
                ),
            ));
        }
        let entry = file(&name, member)?;
        tree.file(name, entry);
    } else if kind.is_symlink() {
        tree.link(name, &target);
    } else if kind.is_hard_link() {
        tree.hard_link(name, &target);
    } else if !kind.is_pax_global_extensions() {
        let what = if kind.is_fifo() || kind.is_character_special() || kind.is_block_special() {
            "neither a file nor a folder"
        } else {
            "a member of a kind that is not read"
        };
        tree.left_out(what, name);
    }
    Ok(())
}

/// The real name of a file whose bytes are only those between its holes.
fn pax_sparse<R: Read>(member: &mut ::tar::Entry<'_, R>) -> io::Result<Option<String>> {
    let name = names::of_member(&member.path_bytes());
    let Some(extensions) = member.pax_extensions()? else { return Ok(None) };
    let (mut sparse, mut real) = (false, name);
    for extension in extensions {
        let extension = extension?;
        sparse |= extension.key_bytes().starts_with(b"GNU.sparse.");
        if extension.key_bytes() == b"GNU.sparse.name" {
            real = names::of_member(extension.value_bytes());
        }
    }
    Ok(sparse.then_some(real))
}

/// The bytes of a member, read now.
fn read<R: Read>(path: &Path, name: &str, member: &mut ::tar::Entry<'_, R>) -> Result<Entry> {
    let size = member.size();
    memory::check(size).map_err(|e| {
        Error::data(path, format!("its file {name} takes {e}: unpack the archive, and give the path of the folder"))
    })?;
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(|e| damaged(path, &e))?;
    if bytes.len() as u64 != size {
        let message = format!("its file {name} has {} of {size} bytes", bytes.len());
        return Err(damaged(path, &io::Error::other(message)));
    }
    Ok(Entry::in_memory(name.to_string(), path.join(name), bytes))
}

fn damaged(path: &Path, e: &io::Error) -> Error {
    Error::data(path, format!("the tar archive is cut short or damaged ({e}): copy or download it again"))
}
