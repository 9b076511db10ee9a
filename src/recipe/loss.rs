//! The `[loss]` table: how much the classes count.

use crate::error::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// What the cross-entropy with labels is multiplied by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossSpec {
    /// Weight of each class in the cross-entropy with labels, which is divided by the weights of the batch's images: "equal",
    /// "balanced", or one number over 0 for each class in the order of their names.
    pub class_weights: ClassWeights,
}

/// Weights of classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// All images count alike.
    #[default]
    Equal,
    /// `n / (k n_c)` for `n_c` of n training images, of k classes that have some: all classes count alike.
    Balanced,
    /// These.
    Given(Vec<f32>),
}

impl LossSpec {
    /// Whether it is as if it were not there.
    pub fn is_default(&self) -> bool {
        *self == LossSpec::default()
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// If a weight is none.
    pub fn validate(&self) -> Result<()> {
        let ClassWeights::Given(weights) = &self.class_weights else { return Ok(()) };
        match weights.iter().find(|w| !(**w > 0.0 && w.is_finite())) {
            Some(bad) => Err(Error::Config(format!("loss.class_weights: {bad} is no weight: give numbers over 0"))),
            None => Ok(()),
        }
    }

    /// The weights as numbers, for training images of which there are so many of each class; a class without images has
    /// weight 0, since no label names it.
    ///
    /// # Errors
    /// If there are not as many weights as classes.
    pub fn of_images(&self, counts: &[usize]) -> Result<LossSpec> {
        let weights = match &self.class_weights {
            ClassWeights::Equal => return Ok(self.clone()),
            ClassWeights::Balanced => {
                let (n, k) = (counts.iter().sum::<usize>(), counts.iter().filter(|c| **c > 0).count());
                counts.iter().map(|c| if *c > 0 { (n as f64 / (k as f64 * *c as f64)) as f32 } else { 0.0 }).collect()
            }
            ClassWeights::Given(weights) if weights.len() != counts.len() => {
                return Err(Error::Config(format!(
                    "loss.class_weights has {} numbers, and the images have {} classes: give one for each, or \"balanced\"",
                    weights.len(),
                    counts.len()
                )));
            }
            ClassWeights::Given(weights) => weights.clone(),
        };
        Ok(LossSpec { class_weights: ClassWeights::Given(weights) })
    }
}

impl JsonSchema for ClassWeights {
    fn schema_name() -> Cow<'static, str> {
        "ClassWeights".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "number" } })
    }
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            ClassWeights::Equal => s.serialize_str("equal"),
            ClassWeights::Balanced => s.serialize_str("balanced"),
            ClassWeights::Given(weights) => weights.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<ClassWeights, D::Error> {
        d.deserialize_any(WeightsVisitor)
    }
}

struct WeightsVisitor;

impl<'de> Visitor<'de> for WeightsVisitor {
    type Value = ClassWeights;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"equal\", \"balanced\", or a list of numbers, one for each class")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> std::result::Result<ClassWeights, E> {
        match word {
            "equal" => Ok(ClassWeights::Equal),
            "balanced" => Ok(ClassWeights::Balanced),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<ClassWeights, A::Error> {
        let mut weights = Vec::new();
        while let Some(weight) = seq.next_element::<f64>()? {
            weights.push(weight as f32);
        }
        match weights.is_empty() {
            true => Err(A::Error::custom("loss.class_weights is an empty list: give a number for each class")),
            false => Ok(ClassWeights::Given(weights)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_make_classes_count_alike() {
        let spec = |text: &str| toml::from_str::<LossSpec>(&format!("class_weights = {text}"));
        let balanced = spec("\"balanced\"").unwrap();
        // scikit-learn's compute_class_weight("balanced"): 12 / (3 * [8, 3, 1]).
        let ClassWeights::Given(weights) = balanced.of_images(&[8, 3, 0, 1]).unwrap().class_weights else {
            panic!("they are numbers")
        };
        assert_eq!(weights, [0.5, 4.0 / 3.0, 0.0, 4.0]);
        assert!(spec("\"equal\"").unwrap().is_default());
        assert_eq!(toml::to_string(&spec("[1, 2.5]").unwrap()).unwrap(), "class_weights = [1.0, 2.5]\n");
        let m = spec("[1, 2.5]").unwrap().of_images(&[1, 1, 1]).unwrap_err().to_string();
        assert!(m.contains("2 numbers") && m.contains("3 classes"), "{m}");
        assert!(spec("[1, 0]").unwrap().validate().is_err() && spec("[]").is_err());
        assert!(spec("\"balance\"").unwrap_err().to_string().contains("\"balanced\""));
    }
}
