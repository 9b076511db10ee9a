//! A table in the forms that terminals, papers and programs take.

use super::stats::Spread;
use crate::error::{Error, Result};
use crate::report::html::escaped as html;
use std::fmt::Write;
use std::path::Path;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for a terminal.
    Text,
    /// A Markdown table.
    Markdown,
    /// Comma-separated values, numbers in full.
    Csv,
    /// A LaTeX tabular with booktabs' rules.
    Latex,
    /// An HTML table.
    Html,
    /// All that is known, for programs.
    Json,
}

impl Format {
    /// By the ending of a file; none if it says nothing.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "txt" => Some(Format::Text),
            "md" => Some(Format::Markdown),
            "csv" => Some(Format::Csv),
            "tex" => Some(Format::Latex),
            "html" => Some(Format::Html),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// What a row has in a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    None,
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number, and its digits behind the point.
    Number(f64, usize),
    /// How many times.
    Times(f64),
    /// A mean with its deviation, and digits.
    Spread(Spread, usize),
    /// A difference with its interval.
    Difference(Spread),
}

impl Cell {
    fn is_text(&self) -> bool {
        matches!(self, Cell::Text(_))
    }

    /// For people; `pm` is the sign between mean and deviation.
    fn shown(&self, pm: &str) -> String {
        match self {
            Cell::None => "-".into(),
            Cell::Text(text) => text.clone(),
            Cell::Count(n) => n.to_string(),
            Cell::Number(v, digits) => format!("{v:.digits$}"),
            Cell::Times(v) => format!("{v:.1}x"),
            Cell::Spread(s, digits) => match s.std {
                Some(std) => format!("{:.digits$} {pm} {std:.digits$}", s.mean),
                None => format!("{:.digits$}", s.mean),
            },
            Cell::Difference(s) => {
                let pairs = if s.n == 1 { "1 pair".to_string() } else { format!("{} pairs", s.n) };
                match s.half_interval() {
                    Some(half) => format!("{:+.2} ({:.2} to {:.2}), {pairs}", s.mean, s.mean - half, s.mean + half),
                    None => format!("{:+.2}, {pairs}", s.mean),
                }
            }
        }
    }

    /// For programs: as many numbers as [`Cell::fields`] has names.
    fn numbers(&self, width: usize) -> Vec<String> {
        let text = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
        let mut all = match self {
            Cell::None => Vec::new(),
            Cell::Text(t) => vec![t.clone()],
            Cell::Count(n) => vec![n.to_string()],
            Cell::Number(v, _) | Cell::Times(v) => vec![v.to_string()],
            Cell::Spread(s, _) => vec![s.mean.to_string(), text(s.std)],
            Cell::Difference(s) => {
                let half = s.half_interval();
                vec![
                    s.mean.to_string(),
                    text(half.map(|h| s.mean - h)),
                    text(half.map(|h| s.mean + h)),
                    s.n.to_string(),
                ]
            }
        };
        all.resize(width, String::new());
        all
    }

    /// What is added to the name of a column for each number of such a cell.
    fn fields(&self) -> &'static [&'static str] {
        match self {
            Cell::Spread(..) => &["", " std"],
            Cell::Difference(_) => &["", " low", " high", " pairs"],
            _ => &[""],
        }
    }
}

/// A table.
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Cells, as many a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// What a row has for each seed.
    pub by_seed: Vec<String>,
    /// What columns mean, and what is to be known.
    pub notes: Vec<String>,
}

impl Table {
    /// Writes it.
    ///
    /// # Errors
    /// If the text cannot be made, which would be a fault of this program.
    pub fn write(&self, format: Format) -> Result<String> {
        Ok(match format {
            Format::Text | Format::Json => self.text(),
            Format::Markdown => self.markdown(),
            Format::Latex => self.latex(),
            Format::Html => self.html(),
            Format::Csv => self.csv()?,
        })
    }

    /// Whether the column holds words, which stand at the left.
    fn is_text(&self, column: usize) -> bool {
        self.rows.iter().any(|r| r[column].is_text())
    }

    fn shown(&self, pm: &str) -> Vec<Vec<String>> {
        let rows = self.rows.iter().map(|r| r.iter().map(|c| c.shown(pm)).collect());
        std::iter::once(self.header.clone()).chain(rows).collect()
    }

    fn text(&self) -> String {
        let lines = self.shown("±");
        let width = |c: usize| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let mut out = String::new();
        for line in &lines {
            let cell = |(c, (cell, &w)): (usize, (&String, &usize))| match self.is_text(c) {
                true => format!("{cell:w$}"),
                false => format!("{cell:>w$}"),
            };
            let cells: Vec<String> = line.iter().zip(&widths).enumerate().map(cell).collect();
            put(&mut out, format_args!("{}\n", cells.join("  ").trim_end()));
        }
        self.notes.iter().for_each(|note| put(&mut out, format_args!("{note}\n")));
        out
    }

    fn markdown(&self) -> String {
        let mut out = String::new();
        for (i, line) in self.shown("±").iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|c| c.replace('|', "\\|")).collect();
            put(&mut out, format_args!("| {} |\n", cells.join(" | ")));
            if i == 0 {
                let rules: Vec<&str> = (0..line.len()).map(|c| if self.is_text(c) { "---" } else { "---:" }).collect();
                put(&mut out, format_args!("| {} |\n", rules.join(" | ")));
            }
        }
        self.notes.iter().for_each(|note| put(&mut out, format_args!("\n{note}\n")));
        out
    }

    fn latex(&self) -> String {
        let places: String = (0..self.header.len()).map(|c| if self.is_text(c) { 'l' } else { 'r' }).collect();
        let mut out = format!("% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{places}}}\n\\toprule\n");
        let header: Vec<String> = self.header.iter().map(|h| escaped(h)).collect();
        put(&mut out, format_args!("{} \\\\\n\\midrule\n", header.join(" & ")));
        for row in &self.rows {
            let cell = |c: &Cell| match c {
                Cell::Text(t) => escaped(t),
                Cell::None => "--".into(),
                Cell::Times(v) => format!("${v:.1}\\times$"),
                Cell::Difference(_) => {
                    let shown = c.shown("\\pm");
                    let (numbers, pairs) = shown.rsplit_once(", ").unwrap_or((&shown, ""));
                    // Words stand outside of formulas: \text is a package's.
                    format!("${}$, {pairs}", numbers.replace(" to ", "$ to $"))
                }
                other => format!("${}$", other.shown("\\pm")),
            };
            put(&mut out, format_args!("{} \\\\\n", row.iter().map(cell).collect::<Vec<_>>().join(" & ")));
        }
        out += "\\bottomrule\n\\end{tabular}\n";
        self.notes.iter().for_each(|note| put(&mut out, format_args!("% {note}\n")));
        out
    }

    fn html(&self) -> String {
        let mut out = "<table>\n".to_string();
        for (i, line) in self.shown("±").iter().enumerate() {
            let tag = if i == 0 { "th" } else { "td" };
            put(&mut out, format_args!("<tr>"));
            for (c, cell) in line.iter().enumerate() {
                let class = if self.is_text(c) { " class=\"words\"" } else { "" };
                put(&mut out, format_args!("<{tag}{class}>{}</{tag}>", html(cell)));
            }
            put(&mut out, format_args!("</tr>\n"));
        }
        out += "</table>\n";
        self.notes.iter().for_each(|note| put(&mut out, format_args!("<p>{}</p>\n", html(note))));
        out
    }

    fn csv(&self) -> Result<String> {
        let fail = |e: &dyn std::fmt::Display| Error::Config(format!("the table cannot be written as CSV: {e}"));
        let mut w = csv::Writer::from_writer(Vec::new());
        let widest = |c: usize| {
            let fields = self.rows.iter().map(|r| r[c].fields());
            fields.max_by_key(|f| f.len()).unwrap_or(&[""])
        };
        let fields: Vec<&[&str]> = (0..self.header.len()).map(widest).collect();
        let names = self.header.iter().zip(&fields).flat_map(|(h, f)| f.iter().map(move |f| format!("{h}{f}")));
        w.write_record(names.chain(["accuracy by seed".to_string()])).map_err(|e| fail(&e))?;
        for (row, seeds) in self.rows.iter().zip(&self.by_seed) {
            let cells = row.iter().zip(&fields).flat_map(|(c, f)| c.numbers(f.len()));
            w.write_record(cells.chain([seeds.clone()])).map_err(|e| fail(&e))?;
        }
        let bytes = w.into_inner().map_err(|e| fail(&e))?;
        String::from_utf8(bytes).map_err(|e| fail(&e))
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all");
}

/// Text as LaTeX sets it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            _ => out.push(c),
        }
    }
    out
}
