//! Tables as rows of texts: CSV, its relatives with other separators, and lines of JSON.

use super::super::super::source::Entry;
use crate::error::{Error, Result};
use serde_json::Value;

/// A table with the names of its columns.
pub(super) struct Table<'a> {
    pub file: &'a Entry,
    pub headers: Vec<String>,
    /// Rows of as many fields as there are headers.
    pub rows: Vec<Vec<String>>,
}

/// Whether a file is a table by its name.
pub(super) fn is_table(file: &Entry) -> bool {
    let name = file.file_name();
    [".csv", ".tsv", ".jsonl"].iter().any(|end| name.ends_with(end))
}

/// A larger file is no table of labels.
const LARGEST: u64 = 1 << 28;

impl<'a> Table<'a> {
    /// Reads a file if its name is that of a table; `None` if it is not, or has no rows of two fields.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn read(file: &'a Entry) -> Result<Option<Table<'a>>> {
        let is_json = file.file_name().ends_with(".jsonl");
        if !is_table(file) || file.len()? > LARGEST {
            return Ok(None);
        }
        let bytes = file.read_unpacked()?;
        let text = text_of(&bytes);
        let text = text.trim_start_matches('\u{feff}');
        let (headers, rows) = if is_json { lines(file, text)? } else { fields(file, text)? };
        Ok((headers.len() >= 2 && !rows.is_empty()).then_some(Table { file, headers, rows }))
    }

    /// The fields of a column.
    pub fn column(&self, i: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row[i].as_str())
    }

    /// A column's name without case and punctuation.
    pub fn plain(&self, i: usize) -> String {
        self.headers[i].to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
    }
}

/// A file as text: UTF-16 if it says so at its start, as spreadsheets save it; else UTF-8. What is neither is taken for Latin-1,
/// where every byte is a letter: no two names become one.
fn text_of(bytes: &[u8]) -> String {
    let sixteen = |from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].as_chunks::<2>().0.iter().map(|b| from(*b)).collect();
        String::from_utf16(&units).ok().filter(|_| bytes.len().is_multiple_of(2))
    };
    let wide = match bytes {
        [0xff, 0xfe, ..] => sixteen(u16::from_le_bytes),
        [0xfe, 0xff, ..] => sixteen(u16::from_be_bytes),
        _ => None,
    };
    let latin = || bytes.iter().map(|b| *b as char).collect();
    wide.unwrap_or_else(|| std::str::from_utf8(bytes).map_or_else(|_| latin(), String::from))
}

type Rows = (Vec<String>, Vec<Vec<String>>);

/// The rows of a CSV. The separator is the one that its first line has most of.
fn fields(file: &Entry, text: &str) -> Result<Rows> {
    let first = text.lines().next().unwrap_or_default();
    let times = |c: u8| first.bytes().filter(|b| *b == c).count();
    let separator = [b',', b';', b'\t'].into_iter().rev().max_by_key(|c| times(*c)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new();
    reader.delimiter(separator).trim(csv::Trim::All).has_headers(false).flexible(true);
    let mut all: Vec<Vec<String>> = Vec::new();
    for (i, record) in reader.from_reader(text.as_bytes()).records().enumerate() {
        let record = record.map_err(|e| Error::data(&file.path, format!("is no CSV ({e}): repair or remove it")))?;
        let mut row: Vec<String> = record.iter().map(String::from).collect();
        if let Some(headers) = all.first() {
            // Empty fields at the end are left out by some programs, and added by others.
            while row.len() > headers.len() && row.last().is_some_and(String::is_empty) {
                row.pop();
            }
            if row.len() != headers.len() {
                return Err(Error::data(
                    &file.path,
                    format!(
                        "row {} has {} fields, and the first one {}: repair it, or move the file elsewhere if it has no \
                         labels",
                        i + 1,
                        row.len(),
                        headers.len()
                    ),
                ));
            }
        }
        all.push(row);
    }
    if all.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let headers = all.remove(0);
    Ok((headers, all))
}

/// The rows of JSON lines: objects, whose keys are the columns.
fn lines(file: &Entry, text: &str) -> Result<Rows> {
    let fail = |i: usize, m: String| Err(Error::data(&file.path, format!("line {} {m}: repair or remove it", i + 1)));
    let (mut headers, mut rows): Rows = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let object = match serde_json::from_str(line) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return fail(i, "is no JSON object".into()),
            Err(e) => return fail(i, format!("is no JSON ({e})")),
        };
        if rows.is_empty() {
            headers = object.keys().cloned().collect();
        }
        // What one line has and the first has not is no column.
        let field = |key: &String| match object.get(key) {
            Some(Value::String(text)) => text.trim().to_string(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        rows.push(headers.iter().map(field).collect());
    }
    Ok((headers, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &[u8]) -> Result<Option<Rows>> {
        let file = Entry::in_memory(name.into(), format!("dir/{name}").into(), text.to_vec());
        Ok(Table::read(&file)?.map(|table| (table.headers, table.rows)))
    }

    #[test]
    fn tables_are_read_whatever_their_separator() {
        let expected = Some((vec!["id".to_string(), "breed".into()], vec![vec!["1".to_string(), "a, b".into()]]));
        assert_eq!(read("a.csv", b"id,breed\n1,\"a, b\"\n").unwrap(), expected);
        assert_eq!(read("a.csv", b"\xef\xbb\xbfid;breed\r\n1;a, b\r\n").unwrap(), expected);
        assert_eq!(read("a.tsv", b"id\tbreed\n1\ta, b\n\n").unwrap(), expected);
        assert_eq!(read("a.jsonl", b"{\"id\": 1, \"breed\": \"a, b\"}\n").unwrap(), expected);
        assert_eq!(read("a.txt", b"id,breed\n1,2\n").unwrap(), None);
        assert_eq!(read("a.csv", b"id\n1\n").unwrap(), None);
        assert_eq!(read("a.csv", b"").unwrap(), None);
        // Two names in Latin-1 stay two.
        let (_, rows) = read("a.csv", b"id,breed\n1,caf\xe9\n2,caf\xe8\n").unwrap().unwrap();
        assert_ne!(rows[0][1], rows[1][1]);
    }

    #[test]
    fn damaged_tables_are_named() {
        for (name, text, said) in [
            ("a.csv", "id,breed\n1,2,3\n", "row 2 has 3 fields"),
            ("a.jsonl", "{\"id\": 1", "line 1 is no JSON"),
            ("a.jsonl", "[1]", "no JSON object"),
        ] {
            let m = read(name, text.as_bytes()).unwrap_err().to_string();
            assert!(m.contains(name) && m.contains(said), "{m}");
        }
    }
}
