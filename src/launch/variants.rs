//! Several kernels for one op, and which of them runs. A rule knows the kind of device only; measuring on the device
//! at hand knows better (`crate::tune`).

use super::lanes::Lanes;
use super::matrix::MatrixTile;
use super::tiles::Tile;
use super::{Lowering, Target};
use std::collections::BTreeMap;
use std::fmt;

/// How a product of matrices, or a convolution as one, is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// A workgroup makes a tile together, in workgroup memory.
    Tiles(Tile),
    /// A workgroup makes a tile together, on matrix units.
    Matrix(MatrixTile),
    /// An invocation keeps a tile of sums in registers, and waits for no other.
    Blocked {
        /// Rows of its tile.
        rows: usize,
        /// Columns of its tile.
        columns: usize,
    },
    /// A subgroup makes a tile together, in registers: its invocations hand numbers round.
    Lanes(Lanes),
    /// An invocation makes an element.
    Plain,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Tiles(t) => write!(f, "tiles {t}"),
            Form::Matrix(t) => write!(f, "matrix units {t}"),
            Form::Blocked { rows, columns } => write!(f, "blocked {rows}x{columns}"),
            Form::Lanes(l) => write!(f, "lanes {l}"),
            Form::Plain => f.write_str("plain"),
        }
    }
}

impl Form {
    /// Forms that are worth a measurement on a device, before anything is known of the shape; longer kernels later. Where barriers cost more
    /// than tiles save, tiles compete with the slowest kernel only; where registers are few, large tiles in them do not.
    pub(super) fn worth(target: &Target, rule: Form, columns: &[usize]) -> Vec<Form> {
        let rows: &[usize] = if target.software { &[4, 8, 16] } else { &[4, 8] };
        let blocked = rows.iter().flat_map(|&rows| columns.iter().map(move |&columns| Form::Blocked { rows, columns }));
        let tiles = Tile::all().into_iter().rev().filter(|_| !target.software || rule == Form::Plain).map(Form::Tiles);
        let matrix = MatrixTile::all(target).into_iter().map(Form::Matrix);
        let lanes = Lanes::all(target).into_iter().map(Form::Lanes);
        [Form::Plain].into_iter().chain(lanes).chain(blocked).chain(tiles).chain(matrix).collect()
    }
}

/// A way to run an op.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Tells it from the op's others.
    pub name: String,
    /// Its dispatches.
    pub lowering: Lowering,
}

/// The ways to run an op of certain extents on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Variants {
    /// What the choice among them holds for: the op, its extents with the batch rounded up to a power of two, and the
    /// variant of the rule, so that what is equal to that one stays so throughout the class.
    pub class: String,
    /// Each of another name; the first is what the rule takes.
    pub all: Vec<Variant>,
}

/// Which variants are taken in place of the rule's: names by class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices(BTreeMap<String, String>);

impl Choices {
    /// Whether everything goes by the rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The variant that is taken: the chosen one if there is one of that name, else the rule's.
    pub fn pick(&self, variants: Variants) -> Option<Variant> {
        let Variants { class, mut all } = variants;
        let chosen = self.0.get(&class).and_then(|name| all.iter().position(|v| v.name == *name));
        (!all.is_empty()).then(|| all.swap_remove(chosen.unwrap_or(0)))
    }
}

impl FromIterator<(String, String)> for Choices {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Choices(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_holds_where_nothing_fitting_was_chosen() {
        let variant = |name: &str| Variant { name: name.into(), lowering: Lowering::default() };
        let variants = || Variants { class: "c".into(), all: ["rule", "other"].map(variant).to_vec() };
        let pick = |pairs: &[(&str, &str)]| {
            let choices: Choices = pairs.iter().map(|(c, v)| (c.to_string(), v.to_string())).collect();
            choices.pick(variants()).unwrap().name
        };
        assert_eq!(pick(&[]), "rule");
        assert_eq!(pick(&[("c", "other")]), "other");
        assert_eq!(pick(&[("c", "gone")]), "rule");
        assert_eq!(pick(&[("d", "other")]), "rule");
    }
}
