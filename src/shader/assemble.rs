//! Puts a shader together from its files, which are built into the program.
//!
//! Beside WGSL a file may hold lines that start with `#`:
//!
//! ```text
//! #import shared/conv        the text of that file, once
//! #unroll r ROWS             repeats the lines up to its #end, with $r = 0, 1, … ROWS - 1
//! #if NAME                   keeps the lines up to #else or #end if NAME is not 0
//! ```
//!
//! A count is a number, a name that the launch defines, or sums of products and quotients of them
//! (`COLUMNS/4`). `$NAME` stands for the value of a name anywhere, `${4*j+1}` for that of an expression. Loops over registers are unrolled in the text
//! because drivers do not do it reliably.

use super::Wgsl;
use super::sources::Sources;
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// Names and values that a launch gives to a shader's text.
pub type Defines = [(&'static str, u32)];

/// A text that is put together, and the files that it is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assembled {
    text: String,
    files: BTreeSet<String>,
    /// Some of it is not built into this program.
    foreign: bool,
}

/// The text of `shaders/<path>.wgsl` with its imports, unrolled.
pub fn assemble(sources: &Sources, path: &str, defines: &Defines) -> Result<Assembled> {
    let mut raw = Assembled::default();
    raw.include(sources, path)?;
    let values: Vec<(String, u32)> = defines.iter().map(|(n, v)| (n.to_string(), *v)).collect();
    let lines: Vec<&str> = raw.text.lines().collect();
    let mut text = String::new();
    Expander { path }.expand(&lines, &values, &mut text)?;
    raw.text = text;
    Ok(raw)
}

impl Assembled {
    /// Appends a file and what it imports, unless it is there.
    pub fn include(&mut self, sources: &Sources, path: &str) -> Result<()> {
        if !self.files.insert(path.to_string()) {
            return Ok(());
        }
        self.foreign |= !sources.is_built_in(path);
        for line in sources.text(path)?.lines() {
            match line.trim().strip_prefix("#import ") {
                Some(import) => self.include(sources, import.trim().trim_end_matches(".wgsl"))?,
                None => {
                    self.text.push_str(line);
                    self.text.push('\n');
                }
            }
        }
        Ok(())
    }

    /// Appends what this program writes itself, of numbers and names that it checked.
    pub(crate) fn generate(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The text, and paths below `shaders/` of what it is made of, without the extension.
    pub fn finish(self) -> (Wgsl, BTreeSet<String>) {
        (Wgsl::assembled(self.text, !self.foreign), self.files)
    }
}

struct Expander<'a> {
    path: &'a str,
}

impl Expander<'_> {
    fn error(&self, message: String) -> Error {
        Error::Shader { shader: self.path.to_string(), message }
    }

    fn expand(&self, lines: &[&str], values: &[(String, u32)], out: &mut String) -> Result<()> {
        let mut i = 0;
        while i < lines.len() {
            let line = lines[i].trim();
            if let Some(head) = line.strip_prefix("#unroll ") {
                let (body, _, next) = self.block(lines, i)?;
                let (var, count) =
                    head.split_once(' ').ok_or_else(|| self.error(format!("`{line}` wants a name and a count")))?;
                for k in 0..self.number(count.trim(), values)? {
                    let mut inner = values.to_vec();
                    inner.push((var.to_string(), k));
                    self.expand(body, &inner, out)?;
                }
                i = next;
            } else if let Some(name) = line.strip_prefix("#if ") {
                let (yes, no, next) = self.block(lines, i)?;
                let kept = if self.number(name.trim(), values)? != 0 { yes } else { no };
                self.expand(kept, values, out)?;
                i = next;
            } else if line.starts_with('#') {
                return Err(self.error(format!("`{line}` is not understood here")));
            } else {
                self.substitute(lines[i], values, out)?;
                i += 1;
            }
        }
        Ok(())
    }

    /// The lines between `lines[at]` and its `#end`, those behind its `#else`, and where to go on.
    fn block<'l, 't>(&self, lines: &'l [&'t str], at: usize) -> Result<(&'l [&'t str], &'l [&'t str], usize)> {
        let (mut depth, mut middle) = (0, None);
        for (i, line) in lines.iter().enumerate().skip(at + 1) {
            let line = line.trim();
            match line {
                "#end" if depth == 0 => {
                    let first = &lines[at + 1..middle.unwrap_or(i)];
                    let second = middle.map_or(&lines[i..i], |m| &lines[m + 1..i]);
                    return Ok((first, second, i + 1));
                }
                "#end" => depth -= 1,
                "#else" if depth == 0 => middle = Some(i),
                _ if line.starts_with("#unroll ") || line.starts_with("#if ") => depth += 1,
                _ => {}
            }
        }
        Err(self.error(format!("`{}` has no #end", lines[at].trim())))
    }

    /// A number, a name, or sums of products and quotients of them, without brackets.
    fn number(&self, text: &str, values: &[(String, u32)]) -> Result<u32> {
        let wrong = || self.error(format!("`{text}` holds something that is neither a number nor defined"));
        let atom = |t: &str| {
            let known = values.iter().rev().find(|(n, _)| n == t.trim()).map(|(_, v)| *v);
            known.or_else(|| t.trim().parse().ok()).ok_or_else(wrong)
        };
        let product = |t: &str| -> Result<u32> {
            let mut parts = t.split('*').map(|f| {
                let mut quotient = f.split('/').map(&atom);
                let first = quotient.next().expect("a split has a part")?;
                quotient.try_fold(first, |q, d| Ok(q / d?.max(1)))
            });
            parts.try_fold(1, |p, f: Result<u32>| Ok(p * f?))
        };
        text.split('+').map(product).try_fold(0, |sum, p| Ok(sum + p?))
    }

    /// Replaces `${expression}`, and `$` followed by the longest known name.
    fn substitute(&self, line: &str, values: &[(String, u32)], out: &mut String) -> Result<()> {
        let mut rest = line;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(inner) = rest.strip_prefix('{') {
                let end = inner.find('}').ok_or_else(|| self.error(format!("`{line}` has no closing brace")))?;
                out.push_str(&self.number(&inner[..end], values)?.to_string());
                rest = &inner[end + 1..];
            } else {
                let named =
                    values.iter().rev().filter(|(n, _)| rest.starts_with(n.as_str())).max_by_key(|(n, _)| n.len());
                let (name, _) =
                    named.ok_or_else(|| self.error(format!("`{line}` names something that is not defined")))?;
                out.push_str(&self.number(name, values)?.to_string());
                rest = &rest[name.len()..];
            }
        }
        out.push_str(rest);
        out.push('\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, defines: &[(&str, u32)]) -> Result<String> {
        let values: Vec<(String, u32)> = defines.iter().map(|(n, v)| (n.to_string(), *v)).collect();
        let mut out = String::new();
        Expander { path: "test" }.expand(&text.lines().collect::<Vec<_>>(), &values, &mut out)?;
        Ok(out)
    }

    #[test]
    fn loops_nest_and_names_are_replaced() {
        let text = "#unroll r R/2\nvar a$r = $Ru;\n#unroll c 2\nb$r_${2*c+1};\n#end\n#end\nend";
        let expected = "var a0 = 4u;\nb0_1;\nb0_3;\nvar a1 = 4u;\nb1_1;\nb1_3;\nend\n";
        assert_eq!(expand(text, &[("R", 4)]).unwrap(), expected);
    }

    #[test]
    fn what_holds_a_line_of_another_text_is_foreign() {
        let made = |sources: &Sources, path: &str| assemble(sources, path, &[]).unwrap().finish().0;
        let (own, path) = (Sources::default(), "conv/conv2d");
        let import = own.text(path).unwrap().lines().find_map(|l| l.strip_prefix("#import ")).unwrap();
        assert!(made(&own, path).is_ours());
        let other = own.with(import, own.text(import).unwrap().to_string());
        assert!(!made(&other, path).is_ours(), "by an import");
        assert!(made(&other, "linalg/matmul").is_ours(), "which this one does not have");
        assert!(!made(&own.with("own/kernel", "fn main() {}".into()), "own/kernel").is_ours());
        assert!(!Wgsl::foreign(made(&own, path).text()).is_ours());
    }

    #[test]
    fn branches_are_chosen() {
        let text = "#if A\nyes\n#if B\nboth\n#end\n#else\nno\n#end";
        assert_eq!(expand(text, &[("A", 1), ("B", 0)]).unwrap(), "yes\n");
        assert_eq!(expand(text, &[("A", 0), ("B", 1)]).unwrap(), "no\n");
        assert!(expand("#if C\n#end", &[]).is_err());
        assert!(expand("#unroll a 3\nx", &[]).unwrap_err().to_string().contains("no #end"));
    }
}
