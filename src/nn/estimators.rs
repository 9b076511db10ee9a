//! Straight-through estimators by their names in recipes: those of this crate, and what a program adds.

use crate::error::{Error, Result};
use crate::ops::pointwise::Estimator;
use crate::registry::Registry;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// Straight-through estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SteKind {
    /// `clipped`: 1 on [-1, 1].
    Clipped,
    /// `clipped-open`: 1 on (-1, 1).
    ClippedOpen,
    /// `approx-sign`: max(0, 2 - 2|x|) (Bi-Real Net).
    ApproxSign,
    /// `ede`: IR-Net's estimator, whose steepness grows over training (scalars `ede.t` and `ede.k`).
    Ede,
    /// `identity`: 1 everywhere.
    Identity,
    /// One of [`ESTIMATORS`].
    Own(&'static dyn Estimator),
}

/// Those of this crate, in the order in which messages name them.
const BUILT_IN: [SteKind; 5] =
    [SteKind::Clipped, SteKind::ClippedOpen, SteKind::ApproxSign, SteKind::Ede, SteKind::Identity];

impl SteKind {
    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            SteKind::Clipped => "clipped",
            SteKind::ClippedOpen => "clipped-open",
            SteKind::ApproxSign => "approx-sign",
            SteKind::Ede => "ede",
            SteKind::Identity => "identity",
            SteKind::Own(estimator) => estimator.name(),
        }
    }
}

/// The estimators that recipes can name besides those of this crate.
pub struct Estimators(Registry<dyn Estimator>);

/// The estimators that recipes can name besides those of this crate.
pub static ESTIMATORS: Estimators = Estimators(Registry::new(&[]));

impl Estimators {
    /// Adds an estimator: from then on recipes can name it.
    ///
    /// # Errors
    /// If there is one of that name already.
    pub fn add(&self, estimator: &'static dyn Estimator) -> Result<()> {
        let name = estimator.name();
        let built_in = BUILT_IN.into_iter().any(|kind| kind.name() == name);
        if built_in || !self.0.add_unless(|e| e.name() == name, estimator) {
            return Err(Error::Config(format!("there is an estimator {name:?} already")));
        }
        Ok(())
    }

    /// All kinds, those of this crate first.
    fn all(&self) -> Vec<SteKind> {
        BUILT_IN.into_iter().chain(self.0.all().into_iter().map(SteKind::Own)).collect()
    }
}

impl Serialize for SteKind {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

/// A word, of those that the program knows.
impl JsonSchema for SteKind {
    fn schema_name() -> Cow<'static, str> {
        "SteKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = ESTIMATORS.all().iter().map(|kind| kind.name()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl<'de> Deserialize<'de> for SteKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        let all = ESTIMATORS.all();
        all.iter().find(|kind| kind.name() == name).copied().ok_or_else(|| {
            let names: Vec<String> = all.iter().map(|kind| format!("`{}`", kind.name())).collect();
            D::Error::custom(format!("unknown variant `{name}`, expected one of {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Graph, Value};

    #[derive(Debug)]
    struct Named(&'static str);

    impl Estimator for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn grad(&self, _g: &mut Graph, _x: Value, dy: Value) -> Result<Value> {
            Ok(dy)
        }
    }

    #[test]
    fn names_are_read_back_and_stand_for_one_estimator_each() {
        static OWN: Named = Named("of-a-test");
        let read = |name: &str| serde_json::from_value::<SteKind>(name.into());
        assert!(
            read(OWN.0).unwrap_err().to_string().contains("`of-a-test`, expected one of `clipped`, `clipped-open`")
        );
        ESTIMATORS.add(&OWN).unwrap();
        for kind in BUILT_IN.into_iter().chain([SteKind::Own(&OWN)]) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(read(kind.name()).unwrap(), kind);
        }
        assert!(ESTIMATORS.add(&OWN).is_err(), "twice");
        assert!(ESTIMATORS.add(&Named("ede")).is_err(), "a name of this crate");
    }
}
