//! A number of a layer, or an expression that says it: `"2*c"`, `"min(c, 64)"`, `"1 + (i == 0)"`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A whole number, or how to compute it from what is known where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "give a whole number, or a formula as text (\"2*c\")")]
pub enum Expr {
    /// The number.
    Number(u64),
    /// Its formula: `+ - *`, `/` (which must come out even), `//` (rounded down), `%` (what it leaves), `== != < <= > >=` (1 or 0), `min(a, b)`, `max(a, b)`, brackets, and names.
    Formula(String),
}

/// Either, in lists of settings.
impl JsonSchema for Expr {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expr".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "format": "formula" })
    }
}

impl From<usize> for Expr {
    fn from(n: usize) -> Expr {
        Expr::Number(n as u64)
    }
}

impl From<&str> for Expr {
    fn from(formula: &str) -> Expr {
        Expr::Formula(formula.into())
    }
}

/// What names in formulas stand for.
pub(super) type Known = BTreeMap<String, i64>;

/// Brackets in brackets that are followed.
const DEEPEST: usize = 50;

impl Expr {
    /// The number.
    ///
    /// # Errors
    /// What is wrong with the formula, or that it gives no number from 0 on.
    pub(super) fn value(&self, known: &Known) -> Result<usize, String> {
        let n = match self {
            Expr::Number(n) => i64::try_from(*n).map_err(|_| format!("{n} is too large"))?,
            Expr::Formula(text) => {
                let mut p = Parser { rest: text, known, depth: 0 };
                let made = p.comparison().and_then(|n| match p.rest.trim_start() {
                    "" => Ok(n),
                    rest => Err(format!("`{rest}` is left over")),
                });
                made.map_err(|e| format!("\"{}\": {e}", shortened(text)))?
            }
        };
        usize::try_from(n).map_err(|_| format!("{} is {n}, and should be 0 or more", self.text()))
    }

    fn text(&self) -> String {
        match self {
            Expr::Number(n) => n.to_string(),
            Expr::Formula(text) => format!("\"{text}\""),
        }
    }
}

/// Of a long formula its beginning.
fn shortened(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.by_ref().take(80).collect();
    if letters.next().is_some() { format!("{first}…") } else { first }
}

struct Parser<'a> {
    rest: &'a str,
    known: &'a Known,
    depth: usize,
}

type Made = Result<i64, String>;

impl Parser<'_> {
    /// Takes the first of some signs that comes next.
    fn takes(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        self.rest = self.rest.trim_start();
        let found = signs.iter().find(|s| self.rest.starts_with(**s))?;
        self.rest = &self.rest[found.len()..];
        Some(found)
    }

    fn comparison(&mut self) -> Made {
        let a = self.sum()?;
        let Some(sign) = self.takes(&["==", "!=", "<=", ">=", "<", ">"]) else { return Ok(a) };
        let b = self.sum()?;
        Ok(match sign {
            "==" => a == b,
            "!=" => a != b,
            "<=" => a <= b,
            ">=" => a >= b,
            "<" => a < b,
            _ => a > b,
        }
        .into())
    }

    fn sum(&mut self) -> Made {
        let mut n = self.product()?;
        while let Some(sign) = self.takes(&["+", "-"]) {
            let b = self.product()?;
            n = checked(if sign == "+" { n.checked_add(b) } else { n.checked_sub(b) })?;
        }
        Ok(n)
    }

    fn product(&mut self) -> Made {
        let mut n = self.atom()?;
        while let Some(sign) = self.takes(&["*", "//", "/", "%"]) {
            let b = self.atom()?;
            if sign != "*" && b == 0 {
                return Err("a division by 0".into());
            }
            if sign == "/" && n.checked_rem(b).is_some_and(|left| left != 0) {
                return Err(format!("{n} / {b} is no whole number: `//` rounds it down"));
            }
            n = checked(match sign {
                "*" => n.checked_mul(b),
                "/" | "//" => n.checked_div_euclid(b),
                _ => n.checked_rem_euclid(b),
            })?;
        }
        Ok(n)
    }

    fn atom(&mut self) -> Made {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("too many brackets".into());
        }
        let made = self.number_or_name();
        self.depth -= 1;
        made
    }

    fn number_or_name(&mut self) -> Made {
        if self.takes(&["("]).is_some() {
            let n = self.comparison()?;
            return self.expect(")").map(|()| n);
        }
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "" if rest.is_empty() => Err("it ends too early".into()),
            "" => Err(format!("`{rest}` where a number or a name should stand")),
            "min" | "max" => {
                self.expect("(")?;
                let a = self.comparison()?;
                self.expect(",")?;
                let b = self.comparison()?;
                self.expect(")")?;
                Ok(if word == "min" { a.min(b) } else { a.max(b) })
            }
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => {
                word.parse().map_err(|_| format!("`{word}` is no whole number"))
            }
            _ => self.known.get(word).copied().ok_or_else(|| {
                let all: Vec<&str> = self.known.keys().map(String::as_str).collect();
                format!("`{word}` is not known here; known are {}", all.join(", "))
            }),
        }
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        match self.takes(&[sign]) {
            Some(_) => Ok(()),
            None if self.rest.is_empty() => Err(format!("`{sign}` is missing at its end")),
            None => Err(format!("`{sign}` is missing before `{}`", self.rest)),
        }
    }
}

fn checked(n: Option<i64>) -> Made {
    n.ok_or_else(|| "a number that is too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<usize, String> {
        let known = [("c", 24), ("i", 1), ("growth", 64)].map(|(k, v)| (k.to_string(), v)).into();
        Expr::from(text).value(&known)
    }

    #[test]
    fn formulas_give_numbers() {
        for (text, n) in [
            ("7", 7),
            ("2*c", 48),
            (" c/ 12 ", 2),
            ("c// 16", 1),
            ("0 - (0 - 7) // 2", 4),
            ("c - 2 * (i + 3) % 5", 21),
            ("1 + (i == 0)", 1),
            ("1 + (i != 0) * 3", 4),
            ("max(c, growth) / min(2, 8)", 32),
            ("c <= 24", 1),
            ("10 - 3 - 2", 5),
        ] {
            assert_eq!(value(text), Ok(n), "{text}");
        }
    }

    #[test]
    fn what_is_no_formula_says_why() {
        for (text, why) in [
            ("", "ends too early"),
            ("2*", "ends too early"),
            ("2 c", "left over"),
            ("(c", "`)` is missing"),
            ("width", "known are c, growth, i"),
            ("3x", "no whole number"),
            ("c - 100", "is -76"),
            ("c/0", "division by 0"),
            ("c % (i-1)", "division by 0"),
            ("7/2", "7 / 2 is no whole number"),
            ("9223372036854775807*2", "too large"),
            ("99999999999999999999", "no whole number"),
            ("-3", "where a number"),
            ("min(2)", "`,` is missing"),
            ("ä&", "left over"),
        ] {
            let e = value(text).unwrap_err();
            assert!(e.contains(why) || text == "ä&", "{text}: {e}");
        }
        assert!(value(&"(".repeat(100_000)).unwrap_err().contains("brackets"));
        assert!(Expr::Number(u64::MAX).value(&Known::new()).is_err());
    }
}
