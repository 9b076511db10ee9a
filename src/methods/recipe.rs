//! What of a recipe needs its method: how it is read and checked, and the network that it trains.

use super::{EvaluatedBy, METHODS, Method, TeacherUse};
use crate::error::{Error, Result};
use crate::nn::{NetSpec, WeightRule};
use crate::optim::Rule;
use crate::recipe::keys::{Key, keys_of};
use crate::recipe::{COMMON, Recipe, Source, Text, settings};
use crate::suggest::toml_message;
use serde::de::{Error as _, IgnoredAny};
use std::path::Path;

impl Recipe {
    /// The built-in recipe of that name, or the one in that file; with its name.
    pub fn find(what: &str) -> Result<(String, Recipe)> {
        let Text { name, text, origin } = Text::find(what)?;
        let recipe = Self::parse(&text, &origin)?;
        Ok((recipe.run.as_ref().map_or(name, |run| run.recipe.clone()), recipe))
    }

    /// Reads a recipe; `origin` is the file that errors name.
    ///
    /// # Errors
    /// With the line of what does not belong there, and the nearest word that does.
    pub fn parse(text: &str, origin: &Path) -> Result<Recipe> {
        let recipe = read(Source::Text(text)).map_err(|e| Error::data(origin, toml_message(text, &e)))?;
        recipe.validate().map_err(|e| Error::data(origin, e.to_string()))?;
        Ok(recipe)
    }

    /// The recipe with `key=value` settings, keys dotted, values as in TOML (a bare word is a string).
    pub fn with(&self, settings: &[String]) -> Result<Recipe> {
        settings::changed(self, settings, read, Recipe::validate)
    }

    /// Checks what types cannot: numbers, and that method, network and settings go together.
    ///
    /// # Errors
    /// [`Error::Config`] naming both sides of what does not.
    pub fn validate(&self) -> Result<()> {
        self.validate_common()?;
        let fail = |m: String| Err(Error::Config(m));
        let method = METHODS.get(&self.method)?;
        let name = method.name();
        let strange = |table: &&String| method.tables().iter().all(|t| t.name != **table);
        if let Some(table) = self.own.keys().find(strange) {
            let of: Vec<String> = METHODS.of_table(table).iter().map(|m| format!("method = {m:?}")).collect();
            return match of.is_empty() {
                true => fail(format!("unknown field `{table}`")),
                false => {
                    fail(format!("the table [{table}] belongs to {}, this is method = \"{name}\"", of.join(" or ")))
                }
            };
        }
        // A recipe that was not read but put together may hold anything.
        method.tables().iter().try_for_each(|t| t.check(&self.own))?;
        match (method.teacher(self), &self.teacher) {
            (TeacherUse::None, Some(_)) => {
                return fail(format!("method = \"{name}\" has no teacher, but the recipe has a table [teacher]"));
            }
            (TeacherUse::Network, None) => {
                return fail(format!(
                    "method = \"{name}\" learns from a teacher, but the recipe has no [teacher] with its run"
                ));
            }
            _ => {}
        }
        self.check_labels(method)?;
        let b = &self.net.binarization;
        if let Rule::Bop { .. } = self.optimiser.rule
            && !(self.net.is_binary() && b.weights == WeightRule::Sign && !b.clip_weights)
        {
            return fail(
                "optimiser.kind = \"bop\" turns weights that are -1 and +1: it needs a binary network with \
                 net.binarization.weights = \"sign\", without clip_weights"
                    .into(),
            );
        }
        let clamps = self.net.is_binary() && b.weights == WeightRule::Magnitude && b.magnitude.is_some_and(|m| m.clamp);
        if clamps && !method.clamps_magnitudes() {
            let known: Vec<String> =
                METHODS.all().iter().filter(|m| m.clamps_magnitudes()).map(|m| m.name().into()).collect();
            return fail(format!(
                "net.binarization.magnitude.clamp opens over the epochs of method = \"{}\"; method = \"{name}\" has no such \
                 schedule",
                known.join("\" or \"")
            ));
        }
        method.validate(self)
    }

    /// What goes into the cross-entropy with labels needs a method that has it.
    fn check_labels(&self, method: &dyn Method) -> Result<()> {
        let mixes = match (&self.augment.mixup, &self.augment.cutmix) {
            (Some(_), _) => Some("augment.mixup"),
            (None, Some(_)) => Some("augment.cutmix"),
            (None, None) => None,
        };
        if let Some(mixes) = mixes.filter(|_| self.batch < 2) {
            return Err(Error::Config(format!(
                "{mixes} mixes each image with another one of its batch: batch = {} has none, give at least 2",
                self.batch
            )));
        }
        let weighs = (!self.loss.is_default()).then_some("loss.class_weights");
        if let (Some(mixes), Some(weighs)) = (mixes, weighs) {
            return Err(Error::Config(format!(
                "{weighs} and {mixes}: a mixed image has no class to weigh it by, choose one"
            )));
        }
        let smooths = (self.label_smoothing != 0.0).then_some("label_smoothing");
        match mixes.or(weighs).or(smooths) {
            Some(setting) if !method.classifies(self) => {
                let all = METHODS.all();
                let known: Vec<&str> = all.iter().filter(|m| m.classifies(self)).map(|m| m.name()).collect();
                Err(Error::Config(format!(
                    "{setting} is for the cross-entropy with labels, by which method = \"{}\" does not learn: leave it out \
                     (it goes with method = \"{}\")",
                    method.name(),
                    known.join("\" or \"")
                )))
            }
            _ => Ok(()),
        }
    }

    /// Every setting that a recipe of a network may have, those of methods with the methods that have them.
    pub fn keys() -> Vec<Key> {
        let mut keys = keys_of::<Recipe>("");
        // What a run writes down of itself is no setting.
        keys.retain(|k| k.name != "run" && !k.name.starts_with("run."));
        let mut told: Vec<&str> = Vec::new();
        for table in METHODS.all().iter().flat_map(|m| m.tables()) {
            if !told.contains(&table.name) {
                told.push(table.name);
                let of: Vec<String> = METHODS.of_table(table.name).iter().map(|m| m.to_string()).collect();
                keys.extend(table.keys().into_iter().map(|k| {
                    // A key of one kind of table says the kind.
                    if k.of.is_empty() { Key { of: of.clone(), ..k } } else { k }
                }));
            }
        }
        keys
    }

    /// The method.
    ///
    /// # Panics
    /// If there is none of that name: a recipe that was read or validated has one.
    pub fn method(&self) -> &'static dyn Method {
        METHODS.get(&self.method).unwrap_or_else(|e| panic!("the recipe was not validated: {e}"))
    }

    /// The network, as the method has it.
    pub fn network(&self) -> NetSpec {
        NetSpec { adapt: self.method().adaptation(self), seed: self.seed, ..self.net.clone() }
    }

    /// A recipe for nothing but using a network: of plain weights, evaluated so.
    pub fn of_network(&self, net: NetSpec, by: EvaluatedBy) -> Recipe {
        let method = match by {
            EvaluatedBy::Logits => super::supervised::Supervised.name(),
            EvaluatedBy::Neighbours => super::swav::Swav.name(),
        };
        Recipe { net, method: method.into(), own: toml::Table::new(), teacher: None, ..self.clone() }
    }
}

fn read(source: Source<'_>) -> std::result::Result<Recipe, toml::de::Error> {
    let known = |name: &str| match METHODS.find(name) {
        Err(_) if source.value::<IgnoredAny>("net").is_ok_and(|net| net.is_none()) => Err(format!(
            "a recipe of method = \"{name}\" without [net] has no training steps and no accuracy: onebit train, eval and \
             embed take it if it is that of another experiment, compare and report do not"
        )),
        found => found.map(drop),
    };
    let name = source.method(known)?.ok_or_else(|| toml::de::Error::missing_field("method"))?;
    let all = METHODS.all();
    let tables = all.iter().flat_map(|m| m.tables()).map(|t| t.name);
    let keys: Vec<&str> = COMMON.into_iter().chain(tables).collect();
    source.only(&keys)?;
    let method = METHODS.find(&name).map_err(toml::de::Error::custom)?;
    let mut recipe = Recipe::read(source, method.tables())?;
    recipe.net.binary = Some(recipe.net.is_binary());
    Ok(recipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::DEFAULT;

    fn default() -> Recipe {
        Recipe::find(DEFAULT).unwrap().1
    }

    #[test]
    fn settings_change_what_they_name() {
        let r = default().with(&["epochs=3".into(), "data.train_images=100".into(), "data.path=some/where".into()]);
        let r = r.unwrap();
        assert_eq!((r.epochs, r.data.train_images, r.data.path.as_str()), (3, Some(100), "some/where"));
        assert_eq!(r.batch, default().batch);
    }

    #[test]
    fn a_wrong_key_or_value_is_named_with_the_nearest() {
        let message = |s: &str| default().with(&["seed=1".into(), s.into()]).unwrap_err().to_string();
        for (setting, near) in [
            ("epoch=3", "`epochs`"),
            ("optimizer.lr=0.1", "`optimiser`"),
            ("data.trian_images=1", "`train_images`"),
            ("method=supervise", "`supervised`"),
        ] {
            let m = message(setting);
            assert!(m.contains(setting) && m.contains(&format!("did you mean {near}?")), "{m}");
        }
        assert!(message("epochs=none").contains("epochs=none"));
        assert!(message("epochs=0").contains("at least 1"));
        assert!(message("epochs").contains("key=value"));
        assert!(message("epochs.a=1").contains("nothing below"));
    }

    #[test]
    fn a_typo_in_a_file_is_named_with_file_and_line() {
        let text = default().to_toml().unwrap().replace("batch =", "bach =");
        let m = Recipe::parse(&text, Path::new("my.toml")).unwrap_err().to_string();
        assert!(m.starts_with("my.toml: line ") && m.contains("bach") && m.contains("did you mean `batch`?"), "{m}");
    }

    #[test]
    fn an_unknown_recipe_names_the_nearest() {
        let m = Recipe::find("fashion-binery").unwrap_err().to_string();
        assert!(m.contains("did you mean fashion-binary?"), "{m}");
        assert!(Recipe::find("no/such.toml").unwrap_err().to_string().contains("no/such.toml"));
    }

    #[test]
    fn the_hash_follows_what_decides_the_weights() {
        let r = default();
        let same = r.with(&["description=x".into(), "eval.batch=7".into(), "data.path=elsewhere".into()]).unwrap();
        assert_eq!(r.hash().unwrap(), same.hash().unwrap());
        for setting in ["seed=5", "epochs=77", "batch=9"] {
            assert_ne!(r.hash().unwrap(), r.with(&[setting.into()]).unwrap().hash().unwrap(), "{setting}");
        }
    }

    #[test]
    fn tables_are_read_by_the_method_and_complete() {
        let swav = Recipe::find("small-swav").unwrap().1;
        let message = |s: &str| swav.with(&[s.into()]).unwrap_err().to_string();
        assert!(message("swav.prototype=5").contains("did you mean `prototypes`?"));
        assert!(message("swav.prototypes=1").contains("swav.prototypes = 1"));
        assert!(
            message("burn.views=2")
                .contains("the table [burn] belongs to method = \"burn\", this is method = \"swav\"")
        );
        let text = default().to_toml().unwrap().replace("method = \"supervised\"", "method = \"swav\"")
            + "\n[swav]\nepsilom = 1\n";
        let m = Recipe::parse(&text, Path::new("my.toml")).unwrap_err().to_string();
        let line = text.lines().position(|l| l.starts_with("epsilom")).unwrap() + 1;
        assert!(m.starts_with(&format!("my.toml: line {line}: `epsilom = 1`: ")), "{m}");
        assert!(m.contains("did you mean `epsilon`?"), "{m}");
        // Every setting stands in the record, in no more digits than it needs.
        let text = text.replace("epsilom = 1", "epsilon = 0.03");
        let toml = Recipe::parse(&text, Path::new("my.toml")).unwrap().to_toml().unwrap();
        assert!(
            toml.contains("[swav]") && toml.contains("epsilon = 0.03\n") && toml.contains("temperature = 0.1\n"),
            "{toml}"
        );
    }

    #[test]
    fn an_unknown_method_is_named_with_its_line() {
        let text = default().to_toml().unwrap().replace("method = \"supervised\"", "method = \"supervise\"");
        let m = Recipe::parse(&text, Path::new("my.toml")).unwrap_err().to_string();
        assert!(m.starts_with("my.toml: line ") && m.contains("did you mean `supervised`?"), "{m}");
        let m = Recipe::parse("method = \"mbn\"", Path::new("my.toml")).unwrap_err().to_string();
        assert!(m.contains("no training steps"), "{m}");
    }

    #[test]
    fn a_key_that_has_another_name_now_is_still_read_and_hashes_stay() {
        let old = default().to_toml().unwrap().replace("\ntest = 0.1\n", "\ntest_share = 0.3\n");
        let old = Recipe::parse(&old, Path::new("old.toml")).unwrap();
        let set = default().with(&["data.test_share=0.3".into()]).unwrap();
        let now = default().with(&["data.test=0.3".into()]).unwrap();
        assert_eq!((old.data.test, &old, &set), (0.3, &now, &now));
        // What came later counts only where it is not as if it were not there.
        let plain = default().hash().unwrap();
        assert_ne!(plain, now.hash().unwrap());
        for later in ["data.val=0.1", "data.on_error=skip", "data.most_skipped=0.5"] {
            assert_ne!(plain, default().with(&[later.into()]).unwrap().hash().unwrap(), "{later}");
        }
        // Where a step keeps less it computes the same.
        assert_eq!(plain, default().with(&["memory.recompute=blocks".into()]).unwrap().hash().unwrap());
        // Of this recipe as it was before these settings came.
        assert_eq!(format!("{plain:016x}"), "2d4f67681c5f1623");
    }

    #[test]
    fn the_common_keys_are_those_of_a_recipe() {
        let recipe = Recipe {
            start_from: "x".into(),
            patience: Some(1),
            accumulate: 2,
            loss: crate::recipe::LossSpec { class_weights: crate::recipe::ClassWeights::Balanced },
            memory: crate::recipe::MemorySpec { recompute: crate::recipe::Recompute::Blocks },
            own: toml::Table::new(),
            ..Recipe::find("small-rbcn").unwrap().1
        };
        let run = crate::recipe::RunInfo::default();
        let table = table_of(&Recipe { run: Some(run), ..recipe });
        assert_eq!(table.keys().map(String::as_str).collect::<Vec<_>>(), COMMON);
    }

    fn table_of(recipe: &Recipe) -> toml::Table {
        toml::Table::try_from(recipe).unwrap()
    }
}
