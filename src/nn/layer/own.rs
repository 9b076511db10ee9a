//! Layers that a program adds: recipes name them as they name those of this crate.

use super::LayerKind;
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::nn::Builder;
use crate::registry::Registry;
use serde::Deserialize;
use std::fmt::Debug;
use toml::{Table, Value as Setting};

/// A layer of another crate.
pub trait OwnLayer: Sync + Debug {
    /// Its word: `op = "..."`.
    fn name(&self) -> &'static str;

    /// Checks its settings, all keys but those that every layer has.
    ///
    /// # Errors
    /// What is wrong with them; without an own check, that there are some.
    fn check(&self, settings: &Table) -> Result<()> {
        match settings.keys().next() {
            None => Ok(()),
            Some(key) => Err(Error::Config(format!("unknown field `{key}`"))),
        }
    }

    /// Appends it behind `x`; parameters go under `name` ([`Builder::scoped`], [`Builder::param`]).
    ///
    /// # Errors
    /// If it cannot follow what it is given.
    fn build(&self, b: &mut Builder<'_>, name: &str, x: Value, settings: &Table) -> Result<Value>;
}

/// A layer of another crate with its settings.
#[derive(Clone, Debug)]
pub struct Own {
    pub(super) layer: &'static dyn OwnLayer,
    pub(super) settings: Table,
}

impl PartialEq for Own {
    fn eq(&self, other: &Own) -> bool {
        self.layer.name() == other.layer.name() && self.settings == other.settings
    }
}

/// The layers that recipes can name besides those of this crate.
pub struct Layers(Registry<dyn OwnLayer>);

/// The layers that recipes can name besides those of this crate.
pub static LAYERS: Layers = Layers(Registry::new(&[]));

impl Layers {
    /// Adds a layer: from then on recipes can name it.
    ///
    /// # Errors
    /// If there is one of that name already.
    pub fn add(&self, layer: &'static dyn OwnLayer) -> Result<()> {
        let name = layer.name();
        let alone = Table::from_iter([("op".to_string(), Setting::String(name.into()))]);
        let is_known = match LayerKind::deserialize(Setting::Table(alone)) {
            Ok(_) => true,
            Err(e) => !e.message().contains("unknown variant"),
        };
        if is_known || !self.0.add_unless(|l| l.name() == name, layer) {
            return Err(Error::Config(format!("there is a layer {name:?} already")));
        }
        Ok(())
    }

    /// That of a name.
    pub(super) fn find(&self, name: &str) -> Option<&'static dyn OwnLayer> {
        self.0.all().into_iter().find(|l| l.name() == name)
    }

    /// Names of all.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.all().into_iter().map(|l| l.name()).collect()
    }
}
