//! Turns "this does not parse" into a sentence that says where, and what was probably meant.

/// What others call a setting, and what it is called here: a key, with its table if it stands in one.
const SYNONYMS: [(&str, &str); 59] = [
    ("learning_rate", "lr"),
    ("random_erasing", "augment.erasing"),
    ("cutout", "augment.erasing"),
    ("horizontal_flip", "augment.flip"),
    ("hflip", "augment.flip"),
    ("vflip", "augment.vertical_flip"),
    ("randaugment", "augment.rand_augment"),
    ("base_lr", "lr"),
    ("lr0", "lr"),
    ("step_size", "lr"),
    ("batch_size", "batch"),
    ("bs", "batch"),
    ("batchsize", "batch"),
    ("train_batch_size", "batch"),
    ("eval_batch_size", "eval.batch"),
    ("num_epochs", "epochs"),
    ("n_epochs", "epochs"),
    ("max_epochs", "epochs"),
    ("random_seed", "seed"),
    ("random_state", "seed"),
    ("algorithm", "method"),
    ("optimizer", "optimiser"),
    ("optim", "optimiser"),
    ("opt", "optimiser"),
    ("lr_scheduler", "schedule"),
    ("scheduler", "schedule"),
    ("model", "net"),
    ("network", "net"),
    ("arch", "net.kind"),
    ("architecture", "net.kind"),
    ("backbone", "net.kind"),
    ("channels", "net.widths"),
    ("width", "net.widths"),
    ("widths", "net.widths"),
    ("early_stopping", "patience"),
    ("early_stopping_patience", "patience"),
    ("early_stop", "patience"),
    ("early_stopping_rounds", "patience"),
    ("class_weight", "loss.class_weights"),
    ("pos_weight", "loss.class_weights"),
    ("checkpoint_every", "checkpoint.every_steps"),
    ("save_steps", "checkpoint.every_steps"),
    ("root", "data.path"),
    ("root_dir", "data.path"),
    ("data_path", "data.path"),
    ("dataset", "data.path"),
    ("data_dir", "data.path"),
    ("image_size", "data.size"),
    ("img_size", "data.size"),
    ("resolution", "data.size"),
    ("test_split", "data.test"),
    ("val_split", "data.val"),
    ("validation_split", "data.val"),
    ("momentum", "optimiser.momentum"),
    ("weight_decay", "optimiser.weight_decay"),
    ("wd", "optimiser.weight_decay"),
    ("l2", "optimiser.weight_decay"),
    ("warmup", "schedule.warmup"),
    ("warmup_epochs", "schedule.warmup"),
];

/// What others have as a setting, and what is a flag here: of where a run is made, and not of what it computes.
const FLAGS: [(&str, &str); 8] = [
    ("gpu", "--device"),
    ("gpus", "--device"),
    ("device", "--device"),
    ("cuda", "--device"),
    ("accelerator", "--device"),
    ("output_dir", "--out"),
    ("run_dir", "--out"),
    ("resume_from_checkpoint", "--resume"),
];

/// A name as it is looked up.
fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// The setting that others call so, by its whole name here; or the flag that takes its place. Of a name with tables in front,
/// the last part counts if the whole does not.
pub fn known_elsewhere(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let last = name.rsplit('.').next().unwrap_or(&name);
    let all = || SYNONYMS.iter().chain(&FLAGS);
    let of = |wanted: &str| all().find(|(other, _)| *other == wanted).map(|(_, here)| *here);
    of(&name).or_else(|| of(last))
}

/// What a setting of another program, or at another place, is called here; `known` are the keys that may stand there.
fn synonym(found: &str, known: &[&str]) -> Option<String> {
    let found = plain(found);
    if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == found) {
        return Some(format!("the flag `{flag}`"));
    }
    let all: Vec<&str> = SYNONYMS.iter().filter(|(name, _)| *name == found).map(|(_, key)| *key).collect();
    let here = |key: &&str| known.contains(key) || key.rsplit_once('.').is_some_and(|(_, last)| known.contains(&last));
    if let Some(key) = all.iter().copied().find(here) {
        // In its own table the key has no other name in front.
        let last = key.rsplit('.').next().unwrap_or(key);
        return Some(format!("`{}`", if known.contains(&key) { key } else { last }));
    }
    // Among the keys of the recipe itself a table's key is told with its table; in a table, one that stands outside.
    let at_top = known.contains(&"epochs") || known.contains(&"mbn");
    match (all.first(), at_top) {
        (Some(key), true) => Some(format!("`{key}`")),
        (Some(key), false) => Some(format!("`{key}`, which stands elsewhere in a recipe")),
        (None, false) if ["lr", "batch", "epochs", "seed"].contains(&found.as_str()) => {
            Some(format!("`{found}`, which stands in no table"))
        }
        _ => None,
    }
}

/// The known name that is nearest to `found`, if one is near enough to be meant.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&found, &k.to_lowercase()), strsim::jaro_winkler(&found, k), k))
        // Near: at most a third of the letters differ; or one continues the other ("lr" for "lr_start").
        .filter(|(edits, alike, k)| *edits <= 1 + found.len().max(k.len()) / 3 || *alike > 0.85)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, k)| k)
}

/// Puts the nearest known name into a message of the form "unknown field `x`, expected one of `a`, `b`", in front of the list,
/// which may be long; a name that the list has twice stands there once.
pub fn with_suggestion(message: &str) -> String {
    // Names listed in words: `kind "sdg" is not known: choose sgd, adam or lars`.
    if let Some((before, list)) = message.split_once(" is not known: choose ") {
        let found = before.rsplit('"').nth(1).unwrap_or("");
        let known = list.split([',', ' ']).filter(|k| !k.is_empty() && *k != "or");
        return match nearest(found, known) {
            Some(near) => format!("{before} is not known: did you mean `{near}`? Choose {list}"),
            None => message.to_string(),
        };
    }
    // Behind words that say where.
    if let Some((place, rest)) = message.split_once(": unknown ").filter(|_| !message.starts_with("unknown ")) {
        return format!("{place}: {}", with_suggestion(&format!("unknown {rest}")));
    }
    let Some((unknown, list)) = message.split_once(", expected ").filter(|_| message.starts_with("unknown ")) else {
        return message.to_string();
    };
    let list = without_repeats(list);
    let found = unknown.split('`').nth(1).unwrap_or("");
    let known: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    match synonym(found, &known).or_else(|| nearest(found, known).map(|near| format!("`{near}`"))) {
        Some(meant) => format!("{unknown}: did you mean {meant}? Expected {list}"),
        None => format!("{unknown}, expected {list}"),
    }
}

/// A list "one of `a`, `b`, `a`" without the second `a`.
fn without_repeats(list: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in list.split(", ") {
        // The first one has words in front.
        let name = |part: &str| part.split('`').nth(1).map(str::to_string);
        if name(part).is_none() || !parts.iter().any(|p| name(p) == name(part)) {
            parts.push(part);
        }
    }
    parts.join(", ")
}

/// Names that settings have elsewhere, with the keys that they mean here.
#[cfg(test)]
pub fn synonyms() -> impl Iterator<Item = (&'static str, &'static str)> {
    SYNONYMS.into_iter()
}

/// The sentence about what is wrong with a TOML text: file, line, key, what was found, the nearest known name.
pub fn toml_message(text: &str, e: &toml::de::Error) -> String {
    let message = with_suggestion(e.message().trim());
    let Some(span) = e.span() else { return message };
    let start = span.start.min(text.len());
    let line = text[..start].matches('\n').count();
    let content = text.lines().nth(line).unwrap_or("");
    let before = text[..start].rsplit('\n').next().map_or(0, |part| part.chars().count());
    match around(content, before).as_str() {
        "" => format!("line {}: {message}", line + 1),
        content => format!("line {}: `{content}`: {message}", line + 1),
    }
}

/// Letters of a line that a message quotes.
const QUOTED: usize = 120;

/// A line, or of a long one what stands around its `at`-th letter.
fn around(line: &str, at: usize) -> String {
    let all = line.chars().count();
    if line.trim().chars().count() <= QUOTED {
        return line.trim().to_string();
    }
    let first = at.saturating_sub(QUOTED / 3).min(all - QUOTED);
    let part: String = line.chars().skip(first).take(QUOTED).collect();
    let (left, right) = (if first > 0 { "… " } else { "" }, if first + QUOTED < all { " …" } else { "" });
    format!("{left}{}{right}", part.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let known = ["learning_rate", "momentum", "weight_decay", "optimiser", "epochs"];
        assert_eq!(nearest("optimizer", known), Some("optimiser"));
        assert_eq!(nearest("epoch", known), Some("epochs"));
        assert_eq!(nearest("wieght_decay", known), Some("weight_decay"));
        assert_eq!(nearest("Momentum", known), Some("momentum"));
        assert_eq!(nearest("zzz", known), None);
    }

    #[test]
    fn of_a_long_line_the_place_is_quoted() {
        let keys = |name: &str| (0..5_000).map(|i| format!("{name}{i} = 1, ")).collect::<String>();
        let text = format!("a = 1\nb = {{ {}c = oops, {} }}", keys("x"), keys("y"));
        let e = toml::from_str::<toml::Table>(&text).unwrap_err();
        let message = toml_message(&text, &e);
        assert!(message.starts_with("line 2: `… ") && message.contains("c = oops"), "{message}");
        assert!(message.chars().count() < 400, "{message}");
        assert_eq!(around("  short  ", 3), "short");
        assert_eq!(around(&"ä".repeat(130), 0), format!("{} …", "ä".repeat(120)));
        assert_eq!(around(&"ä".repeat(130), 129), format!("… {}", "ä".repeat(120)));
    }

    #[test]
    fn messages_name_what_was_meant() {
        let m = with_suggestion("unknown field `epoch`, expected one of `batch`, `epochs`");
        assert_eq!(m, "unknown field `epoch`: did you mean `epochs`? Expected one of `batch`, `epochs`");
        let m = with_suggestion("unknown field `zzzz`, expected one of `swav`, `net`, `swav`, `data`, `swav`");
        assert_eq!(m, "unknown field `zzzz`, expected one of `swav`, `net`, `data`");
        let m = with_suggestion("unknown variant `sdg`, expected `sgd` or `adam`");
        assert_eq!(m, "unknown variant `sdg`: did you mean `sgd`? Expected `sgd` or `adam`");
        let m = with_suggestion("kind \"sdg\" is not known: choose adam, sgd or lars");
        assert_eq!(m, "kind \"sdg\" is not known: did you mean `sgd`? Choose adam, sgd or lars");
        assert_eq!(with_suggestion("invalid type: string"), "invalid type: string");
        // What other programs call it, and keys of other tables.
        let at_top = "expected one of `batch`, `epochs`, `lr`, `net`, `optimiser`";
        for (found, meant) in [
            ("learning_rate", "`lr`"),
            ("batch-size", "`batch`"),
            ("optimizer", "`optimiser`"),
            ("momentum", "`optimiser.momentum`"),
            ("arch", "`net.kind`"),
            ("early_stopping", "`patience`"),
            ("class_weight", "`loss.class_weights`"),
            ("gpu", "the flag `--device`"),
        ] {
            let m = with_suggestion(&format!("unknown field `{found}`, {at_top}"));
            assert!(m.contains(&format!(": did you mean {meant}? Expected one of `batch`")), "{m}");
        }
        let in_table = |found: &str| {
            with_suggestion(&format!("unknown field `{found}`, expected one of `kind`, `momentum`, `weight_decay`"))
        };
        assert_eq!(known_elsewhere("learning_rate"), Some("lr"));
        assert_eq!(known_elsewhere("data.root"), Some("data.path"));
        assert_eq!((known_elsewhere("gpu"), known_elsewhere("zzz")), (Some("--device"), None));
        assert!(in_table("wd").contains("did you mean `weight_decay`?"), "{}", in_table("wd"));
        assert!(in_table("lr").contains("did you mean `lr`, which stands in no table?"), "{}", in_table("lr"));
        assert!(
            in_table("num_epochs").contains("`epochs`, which stands elsewhere in a recipe?"),
            "{}",
            in_table("num_epochs")
        );
        assert_eq!(with_suggestion("unknown field `q`, there are no fields"), "unknown field `q`, there are no fields");
    }

    #[test]
    fn a_toml_error_has_its_line() {
        let text = "a = 1\nb = \n";
        let e = toml::from_str::<toml::Table>(text).unwrap_err();
        assert!(toml_message(text, &e).starts_with("line 2"), "{}", toml_message(text, &e));
    }
}
