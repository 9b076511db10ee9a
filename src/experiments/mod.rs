//! What a run can be: a network trained by gradients with a [`Method`](crate::methods::Method), a multilayer bootstrap network,
//! the compression of one. The command line asks for an experiment by the word `method` of a recipe, and never for its kind.

pub mod compression;
pub mod gradients;
pub mod mbn;
mod options;

pub use options::{
    EvalOptions, ExportOptions, FeatureOptions, Form, PartName, TrainOptions, Which, default_part, part_of,
};

use crate::error::{Error, Result};
use crate::files::read_text;
use crate::recipe::keys::Key;
use crate::recipe::settings::given_once;
use crate::recipe::{DEFAULT, Source, Text};
use crate::registry::Registry;
use crate::report::Compared;
use crate::train::run::RunDir;
use gradients::Gradients;
use std::path::{Path, PathBuf};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All is done.
    Done,
    /// It was stopped from outside, and what was done is saved.
    Stopped,
}

/// A recipe, as it is shown.
#[derive(Clone, Debug)]
pub struct Described {
    /// One sentence for people.
    pub description: String,
    /// The recipe as TOML, with every default filled in.
    pub toml: String,
    /// The same, with the layers of the network in place of its kind.
    pub layers: String,
    /// The same as JSON.
    pub json: String,
    /// Whether it is the record of a run.
    pub of_run: bool,
}

/// What is trained: a recipe anew, or a run that goes on.
pub enum Start {
    /// A recipe, and what a run of it is called.
    New(Text),
    /// A run directory.
    Resumed(PathBuf),
}

/// A kind of run. It reads and checks its recipes itself, and says what it does as it goes ([`crate::console`]).
pub trait Experiment: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Whether recipes of this method are its own.
    fn has(&self, method: &str) -> bool {
        method == self.name()
    }

    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// With file, line, and the nearest word that is known.
    fn describe(&self, recipe: &Text) -> Result<Described>;

    /// The settings that its recipes may have.
    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    /// Trains or fits, and keeps a run directory.
    fn train(&self, start: Start, options: &TrainOptions) -> Result<Ending>;

    /// A finished run, to stand beside others ([`Comparison`](crate::report::Comparison)).
    ///
    /// # Errors
    /// If it is not finished or does not read, or if runs of this kind have nothing to stand beside others with.
    fn compared(&self, run: &Path) -> Result<Compared> {
        Err(Error::data(run, format!("runs of method = {:?} cannot be compared", self.name())))
    }

    /// Tests a run on its images or on others.
    fn eval(&self, options: &EvalOptions) -> Result<Ending>;

    /// Writes the features that a run makes of images, and a map of them.
    fn features(&self, options: &FeatureOptions) -> Result<()>;

    /// Writes what inference needs of a run, and nothing else.
    fn export(&self, options: &ExportOptions) -> Result<()>;
}

/// The experiments of this program: those that come with it, and what a program that uses the library adds.
pub struct Experiments(Registry<dyn Experiment>);

/// The experiments of this program.
pub static EXPERIMENTS: Experiments = Experiments(Registry::new(&[&mbn::Mbn, &compression::Compression, &Gradients]));

impl Experiments {
    /// Adds an experiment: from then on commands take its recipes and runs. (A way to train by gradients is no experiment of
    /// its own: it is added to [`METHODS`](crate::methods::METHODS).)
    ///
    /// # Errors
    /// If recipes of its name have an experiment already.
    pub fn add(&self, experiment: &'static dyn Experiment) -> Result<()> {
        let name = experiment.name();
        match self.0.add_unless(|e| e.has(name), experiment) {
            true => Ok(()),
            false => Err(Error::Config(format!("recipes of method = {name:?} have an experiment already"))),
        }
    }

    fn find(&self, method: &str) -> Option<&'static dyn Experiment> {
        self.0.all().into_iter().find(|e| e.has(method))
    }

    /// The settings of all recipes, each once, by name; of those that not all have, the methods are told.
    pub fn keys(&self) -> Vec<Key> {
        // Networks first: of a key that others have too, theirs is the one that counts for all.
        let mut all = Gradients.keys();
        for key in self.0.all().into_iter().flat_map(|e| e.keys()) {
            if all.iter().all(|k| k.name != key.name) {
                all.push(key);
            }
        }
        all
    }

    /// The experiment of a recipe's text. One that names none is read as a network's, whose reader says best what is wrong.
    pub fn of_text(&self, text: &str) -> &'static dyn Experiment {
        let method = Source::Text(text).value::<String>("method").ok().flatten();
        method.and_then(|m| self.find(&m)).unwrap_or(&Gradients)
    }

    /// The experiment of a run directory.
    pub fn of_run(&self, run: &Path) -> Result<&'static dyn Experiment> {
        let config = run.join("config.toml");
        Ok(if config.is_file() { self.of_text(&read_text(&config)?) } else { &Gradients })
    }
}

/// A finished run of any kind, to stand beside others.
///
/// # Errors
/// As [`Experiment::compared`].
pub fn compared(run: &Path) -> Result<Compared> {
    EXPERIMENTS.of_run(run)?.compared(run)
}

/// Trains what `onebit train` is asked for.
pub fn train(options: &TrainOptions) -> Result<Ending> {
    if let Some(exchange) = options.exchange.as_ref().filter(|exchange| !exchange.leads()) {
        return gradients::follow(exchange.clone(), options);
    }
    let flags = [
        ("--data", "data.path", options.data.is_some()),
        ("--features", "features", options.features.is_some()),
        ("--seed", "seed", options.seed.is_some()),
        ("--epochs", "epochs", options.epochs.is_some()),
        ("--from", "start_from", options.from.is_some()),
    ];
    given_once(&options.settings, &flags)?;
    let start = start(options)?;
    let experiment = match &start {
        Start::New(text) => EXPERIMENTS.of_text(&text.text),
        Start::Resumed(run) => EXPERIMENTS.of_run(run)?,
    };
    if let (Some(exchange), false) = (&options.exchange, experiment.name() == Gradients.name()) {
        return Err(Error::Config(format!(
            "mpirun started {} ranks, and ranks train networks by gradients alone; this is a recipe of {}: start it without mpirun",
            exchange.ranks(),
            experiment.name()
        )));
    }
    experiment.train(start, options)
}

fn start(options: &TrainOptions) -> Result<Start> {
    let recipe = options.recipe.as_deref();
    if !options.resume {
        return Ok(Start::New(Text::find(recipe.unwrap_or(DEFAULT))?));
    }
    Ok(Start::Resumed(match (&options.out, recipe) {
        (Some(out), Some(named)) => {
            of_recipe(out, named)?;
            out.clone()
        }
        (Some(out), None) => out.clone(),
        (None, Some(run)) if Path::new(run).join("config.toml").is_file() => PathBuf::from(run),
        (None, _) => {
            let wanted = Path::new("runs").join(Text::find(recipe.unwrap_or(DEFAULT))?.run_name());
            RunDir::newest(&wanted).ok_or_else(|| {
                Error::Config(format!(
                    "there is nothing to resume: {} does not exist; name the run with --out",
                    wanted.display()
                ))
            })?
        }
    }))
}

/// Checks that a run which goes on is of the recipe that is named beside it.
fn of_recipe(run: &Path, named: &str) -> Result<()> {
    let config = run.join("config.toml");
    // What is wrong with the run itself is said when it is opened.
    if !config.is_file() {
        return Ok(());
    }
    let of = |path: &Path| Text::find(&path.display().to_string()).map(|text| text.run_name());
    let (its, asked) = (of(&config)?, of(Path::new(named))?);
    match its == asked {
        true => Ok(()),
        false => Err(Error::Config(format!(
            "--resume --out {}: that is a run of the recipe {its}, and {asked} is named: leave the recipe out to go on with it, or \
             give the --out of a run of {asked}",
            run.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::METHODS;
    use crate::recipe::{Recipe, built_in};
    use std::collections::BTreeSet;

    /// A recipe of a method, by the word after `of` of a setting.
    fn recipe_of(method: &str) -> Recipe {
        let all = built_in().into_iter().filter_map(|(name, text)| Recipe::parse(text, Path::new(name)).ok());
        // One without a built-in recipe is read by its tables all the same.
        let plain = || Recipe { method: method.into(), ..Recipe::find(DEFAULT).unwrap().1 };
        all.into_iter().find(|r| r.method == method).unwrap_or_else(plain)
    }

    /// The names that a message about an unknown key says could stand there.
    fn expected(message: &str) -> BTreeSet<String> {
        // After a suggestion a sentence begins with it.
        let list = message.split_once("xpected").map_or("", |(_, list)| list);
        list.split('`').skip(1).step_by(2).map(String::from).collect()
    }

    /// The list is the types' own: what can stand in a table is listed below it, and nothing that is listed is unknown.
    #[test]
    fn every_key_that_is_read_is_listed_and_every_listed_key_is_read() {
        let keys = Gradients.keys();
        let below = |table: &str| -> BTreeSet<String> {
            let inside =
                |k: &&Key| k.name.strip_prefix(table).is_some_and(|rest| !rest.contains('.') && !rest.is_empty());
            keys.iter().filter(inside).map(|k| k.name[table.len()..].to_string()).collect()
        };
        let methods: BTreeSet<&str> = METHODS.all().iter().map(|m| m.name()).collect();
        let tables =
            keys.iter().filter(|k| k.takes == "table").map(|k| (format!("{}.", k.name), k.of.first().cloned()));
        let mut told = 0;
        for (table, of) in std::iter::once((String::new(), None)).chain(tables) {
            let method = of.filter(|m| methods.contains(m.as_str())).unwrap_or_else(|| "supervised".into());
            let recipe = if table == "teacher." { recipe_of("rbcn") } else { recipe_of(&method) };
            let message = recipe.with(&[format!("{table}zzz=1")]).unwrap_err().to_string();
            let (mut read, listed) = (expected(&message), below(&table));
            // A name of earlier versions, and what a run writes of itself.
            read.retain(|k| k != "test_share" && (k != "run" || !table.is_empty()));
            assert!(message.contains("unknown field `zzz`") && !read.is_empty(), "{table}: {message}");
            match table.as_str() {
                // Each kind has its own.
                "schedule." => assert!(read.is_subset(&listed), "{table}: {read:?} of {listed:?}"),
                _ => assert_eq!(read, listed, "{table}"),
            }
            told += listed.len();
        }
        assert!(told > 100, "{told}");
        for key in keys.iter().filter(|k| k.takes != "table" && k.name != "schedule.kind") {
            let of = key.of.first().filter(|m| methods.contains(m.as_str()));
            let recipe = recipe_of(of.map_or("supervised", String::as_str));
            // No value is a table: whatever is wrong with it, the key is known.
            let kind = key.of.first().filter(|_| key.name.starts_with("schedule."));
            let mut settings: Vec<String> = kind.map(|k| format!("schedule.kind={k}")).into_iter().collect();
            settings.push(format!("{}={{}}", key.name));
            if let Err(e) = recipe.with(&settings) {
                let last = key.name.rsplit('.').next().unwrap();
                assert!(!e.to_string().contains(&format!("unknown field `{last}`")), "{}: {e}", key.name);
            }
        }
        for key in &EXPERIMENTS.keys() {
            assert!(!key.meaning.is_empty(), "{} has no doc comment", key.name);
        }
    }

    /// What is no number decides nothing, and passes for every comparison that is the wrong way round.
    #[test]
    fn no_number_of_a_recipe_may_be_nan_or_infinite() {
        for key in Gradients.keys().iter().filter(|k| k.takes == "number") {
            let of = key.of.first().filter(|m| METHODS.get(m).is_ok());
            let recipe = recipe_of(of.map_or("supervised", String::as_str));
            for value in ["nan", "inf", "-inf"] {
                let kind = key.of.first().filter(|_| key.name.starts_with("schedule."));
                let mut settings: Vec<String> = kind.map(|k| format!("schedule.kind={k}")).into_iter().collect();
                settings.push(format!("{}={value}", key.name));
                let e = recipe.with(&settings).map(|_| ()).unwrap_err().to_string();
                assert!(e.contains(key.name.rsplit('.').next().unwrap()), "{} = {value}: {e}", key.name);
            }
        }
    }

    #[test]
    fn names_of_other_programs_mean_settings_that_there_are() {
        let keys: BTreeSet<String> = EXPERIMENTS.keys().into_iter().map(|k| k.name).collect();
        for (other, here) in crate::suggest::synonyms() {
            assert!(keys.contains(here) && !keys.contains(other), "{other}: {here}");
        }
        let m = recipe_of("supervised").with(&["batch_size=3".into()]).unwrap_err().to_string();
        assert!(m.starts_with("--set batch_size=3: ") && m.contains("did you mean `batch`?"), "{m}");
    }

    #[test]
    fn what_a_recipe_holds_is_listed() {
        let keys: BTreeSet<String> = EXPERIMENTS.keys().into_iter().map(|k| k.name).collect();
        fn walk(at: &str, table: &toml::Table, keys: &BTreeSet<String>) {
            for (name, value) in table {
                let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                assert!(keys.contains(&key), "{key}");
                // Their names are whatever the recipe likes.
                if key == "net.vars" {
                    continue;
                }
                if let toml::Value::Table(below) = value {
                    walk(&key, below, keys);
                }
            }
        }
        for (name, text) in built_in() {
            let text = Text { name: name.into(), text: text.into(), origin: name.into() };
            let full = EXPERIMENTS.of_text(&text.text).describe(&text).unwrap().toml;
            walk("", &toml::from_str(&full).unwrap(), &keys);
        }
    }

    #[test]
    fn every_built_in_recipe_is_right_and_writes_back() {
        let all = built_in();
        assert_eq!(all[0].0, DEFAULT);
        for (name, text) in all {
            let text = Text { name: name.into(), text: text.into(), origin: name.into() };
            let experiment = EXPERIMENTS.of_text(&text.text);
            let recipe = experiment.describe(&text).unwrap();
            assert!(!recipe.description.is_empty(), "{name} describes itself");
            let again = experiment.describe(&Text { text: recipe.toml.clone(), ..text }).unwrap();
            assert_eq!((recipe.toml, recipe.json), (again.toml, again.json), "{name}");
        }
    }

    #[test]
    fn recipes_find_their_experiment() {
        for (name, experiment) in [("small-mbn", "mbn"), ("mbn-compress", "compress"), (DEFAULT, "gradients")] {
            assert_eq!(EXPERIMENTS.of_text(&Text::find(name).unwrap().text).name(), experiment);
        }
    }
}
