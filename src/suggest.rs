//! Turns "this does not parse" into a sentence that says where, and what was probably meant.

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

/// Adds the nearest known name to a message of the form "unknown field `x`, expected one of `a`, `b`".
pub fn with_suggestion(message: &str) -> String {
    // Names listed in words: `kind "sdg" is not known: choose sgd, adam or lars`.
    if let Some((before, list)) = message.split_once(" is not known: choose ") {
        let found = before.rsplit('"').nth(1).unwrap_or("");
        let known = list.split([',', ' ']).filter(|k| !k.is_empty() && *k != "or");
        return match nearest(found, known) {
            Some(near) => format!("{message}; did you mean `{near}`?"),
            None => message.to_string(),
        };
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(found) = quoted.next().filter(|_| message.starts_with("unknown ")) else { return message.to_string() };
    match nearest(found, quoted) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message.to_string(),
    }
}

/// The sentence about what is wrong with a TOML text: file, line, key, what was found, the nearest known name.
pub fn toml_message(text: &str, e: &toml::de::Error) -> String {
    let message = with_suggestion(e.message().trim());
    let Some(span) = e.span() else { return message };
    let start = span.start.min(text.len());
    let line = text[..start].matches('\n').count();
    let content = text.lines().nth(line).unwrap_or("").trim();
    match content {
        "" => format!("line {}: {message}", line + 1),
        content => format!("line {}: `{content}`: {message}", line + 1),
    }
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
    fn messages_name_what_was_meant() {
        let m = with_suggestion("unknown field `epoch`, expected one of `batch`, `epochs`");
        assert!(m.ends_with("did you mean `epochs`?"), "{m}");
        let m = with_suggestion("kind \"sdg\" is not known: choose adam, sgd or lars");
        assert!(m.ends_with("did you mean `sgd`?"), "{m}");
        assert_eq!(with_suggestion("invalid type: string"), "invalid type: string");
        assert_eq!(with_suggestion("unknown field `q`, there are no fields"), "unknown field `q`, there are no fields");
    }

    #[test]
    fn a_toml_error_has_its_line() {
        let text = "a = 1\nb = \n";
        let e = toml::from_str::<toml::Table>(text).unwrap_err();
        assert!(toml_message(text, &e).starts_with("line 2"), "{}", toml_message(text, &e));
    }
}
