//! A report as one file, with its pictures in it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt::Write;

/// A part of a report.
pub enum Piece {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A table, made elsewhere.
    Html(String),
    /// A drawing.
    Svg(String),
    /// A picture of pixels.
    Png(Vec<u8>),
}

/// The page.
pub fn page(title: &str, pieces: &[Piece]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{0}</title>\n<style>\n\
         body {{ font-family: sans-serif; max-width: 1160px; margin: 24px auto; padding: 0 16px; color: #222; }}\n\
         table {{ border-collapse: collapse; font-size: 14px; }}\n\
         th, td {{ padding: 4px 10px; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }}\n\
         th.words, td.words {{ text-align: left; }}\n\
         svg, img {{ max-width: 100%; height: auto; }}\n\
         p {{ color: #555; font-size: 14px; }}\n</style>\n<h1>{0}</h1>\n",
        escaped(title)
    );
    for piece in pieces {
        let written = match piece {
            Piece::Heading(text) => writeln!(out, "<h2>{}</h2>", escaped(text)),
            Piece::Text(text) => writeln!(out, "<p>{}</p>", escaped(text)),
            Piece::Html(html) => writeln!(out, "{html}"),
            // A drawing within a page has no declaration of its own.
            Piece::Svg(svg) => writeln!(out, "{}", svg.find("<svg").map_or(svg.as_str(), |at| &svg[at..])),
            Piece::Png(bytes) => {
                writeln!(out, "<img alt=\"\" src=\"data:image/png;base64,{}\">", BASE64_STANDARD.encode(bytes))
            }
        };
        written.expect("a string takes all");
    }
    out + "</html>\n"
}

/// Text as HTML holds it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
