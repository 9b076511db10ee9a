//! Numbers of one's own for formulas (`[net.vars]`).

use super::Layer;
use crate::error::{Error, Result};
use crate::suggest::nearest;
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// What formulas know without being told.
const RESERVED: [&str; 7] = ["c", "in", "i", "classes", "gated", "min", "max"];

/// That each can be written in a formula, and stands in one.
///
/// # Errors
/// [`Error::Config`] naming the one that does not.
pub fn check_vars(vars: &BTreeMap<String, u32>, layers: &[Layer]) -> Result<()> {
    if vars.is_empty() {
        return Ok(());
    }
    let layers = Value::try_from(layers).map_err(|e| Error::Config(format!("net.layer: {e}")))?;
    let mut words = BTreeSet::new();
    collect(&layers, &mut words);
    for name in vars.keys() {
        let fail = |what: String| Err(Error::Config(format!("net.vars.{name}: {what}")));
        let mut letters = name.chars();
        if !letters.next().is_some_and(is_first) || !letters.all(is_letter) {
            return fail("a name for formulas begins with a letter, and has letters, digits and `_`".into());
        }
        if RESERVED.contains(&name.as_str()) {
            return fail(format!("formulas know `{name}` as something else: choose another name"));
        }
        if !words.contains(name.as_str()) {
            let free =
                words.iter().copied().filter(|w| !w.is_empty() && !vars.contains_key(*w) && !RESERVED.contains(w));
            let near = nearest(name, free).map_or(String::new(), |w| format!(" (`{w}` stands in one)"));
            return fail(format!("no formula of a layer names it{near}: leave it out, or use it"));
        }
    }
    Ok(())
}

fn is_first(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of all texts in it.
fn collect<'a>(value: &'a Value, words: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => words.extend(text.split(|c| !is_letter(c))),
        Value::Array(all) => all.iter().for_each(|v| collect(v, words)),
        Value::Table(table) => table.values().for_each(|v| collect(v, words)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::LayerKind;

    #[test]
    fn numbers_that_no_formula_names_are_refused() {
        let relu = Layer::new(LayerKind::Relu {});
        let inner = Layer::new(LayerKind::Linear { width: "2 * growth//3".into(), bias: true });
        let layers = [relu, Layer::new(LayerKind::Block { body: vec![inner] })];
        let check = |name: &str| check_vars(&BTreeMap::from([(name.to_string(), 3)]), &layers);
        check("growth").unwrap();
        for (name, why) in [
            ("grow", "(`growth` stands in one)"),
            ("depth", "no formula of a layer names it: leave it out"),
            ("c", "as something else"),
            ("2x", "begins with a letter"),
            ("", "begins with a letter"),
        ] {
            let e = check(name).unwrap_err().to_string();
            assert!(e.contains(&format!("net.vars.{name}: ")) && e.contains(why), "{e}");
        }
    }
}
