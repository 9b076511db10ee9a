//! What runs look like: side by side as a table, and their weights and curves as pictures.

mod axis;
mod charts;
mod compare;
mod curves;
mod html;
mod runs;
mod weights;

pub use compare::{CONFIDENCE, Compared, Comparison, Format, Open, Row, Score, Seconds, Set, Spread, Trained};
pub use compare::{images_of, settings_of_text, unfinished};
pub use curves::curves_svg;
pub use html::{Piece, page};
pub use runs::{Drawn, Group, groups, title};
pub use weights::{Laplace, weights_svg};

/// Why a picture could not be drawn.
fn undrawn(what: &str, e: &dyn std::fmt::Display) -> crate::error::Error {
    crate::error::Error::Config(format!("{what} could not be drawn: {e}; please report it"))
}
