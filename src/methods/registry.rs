//! The methods that recipes can name.

use super::Method;
use crate::error::{Error, Result};
use crate::recipe::{COMMON, OwnTable};
use crate::registry::Registry;
use crate::suggest::with_suggestion;
/// Methods by name: those of this crate, and what a program adds to them.
pub struct Methods(Registry<dyn Method>);

impl Methods {
    pub(super) const fn new(built_in: &'static [&'static dyn Method]) -> Methods {
        Methods(Registry::new(built_in))
    }

    /// Adds a method: from then on recipes can name it.
    ///
    /// # Errors
    /// If there is one of that name already, or one of its tables has the name of a key that all recipes have.
    pub fn add(&self, method: &'static dyn Method) -> Result<()> {
        let name = method.name();
        let taken = |t: &&OwnTable| COMMON.contains(&t.name);
        if let Some(table) = method.tables().iter().find(taken) {
            return Err(Error::Config(format!("method {name:?}: its table [{}] is a key of all recipes", table.name)));
        }
        match self.0.add_unless(|m| m.name() == name, method) {
            true => Ok(()),
            false => Err(Error::Config(format!("there is a method {name:?} already"))),
        }
    }

    /// All methods, in the order in which they were added.
    pub fn all(&self) -> Vec<&'static dyn Method> {
        self.0.all()
    }

    /// The method of that name.
    ///
    /// # Errors
    /// If there is none: naming all, and the nearest.
    pub fn get(&self, name: &str) -> Result<&'static dyn Method> {
        self.find(name).map_err(|m| Error::Config(with_suggestion(&m)))
    }

    /// As [`Methods::get`], with the plain message.
    pub(super) fn find(&self, name: &str) -> std::result::Result<&'static dyn Method, String> {
        let all = self.all();
        all.iter().find(|m| m.name() == name).copied().ok_or_else(|| {
            let names: Vec<String> = all.iter().map(|m| format!("`{}`", m.name())).collect();
            format!("unknown method `{name}`, expected one of {}", names.join(", "))
        })
    }

    /// Names of the methods that read a table.
    pub(super) fn of_table(&self, table: &str) -> Vec<&'static str> {
        let reads = |m: &&'static dyn Method| m.tables().iter().any(|t| t.name == table);
        self.all().into_iter().filter(reads).map(|m| m.name()).collect()
    }
}
