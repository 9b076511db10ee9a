//! Every setting of recipes: its type, its default and what it means, as the types and doc comments of the settings say.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name, dotted.
    pub name: String,
    /// What it takes: "number", "whole number", a list of words, ...
    pub takes: String,
    /// What it is if it is not given, as TOML has it; "required" if it must be, empty if it is then absent.
    pub default: String,
    /// What it does.
    pub meaning: String,
    /// Words that it takes, and what each means.
    pub choices: Vec<(String, String)>,
    /// The methods, or the kinds of its table, that have it; empty for all.
    pub of: Vec<String>,
}

/// The settings of a type, as JSON Schema describes it; `name` is where it stands in a recipe, empty for a recipe itself.
pub fn keys_of<T: JsonSchema>(name: &str) -> Vec<Key> {
    let schema = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator();
    let schema = schema.into_root_schema_for::<T>().to_value();
    let mut keys = Vec::new();
    if name.is_empty() {
        table("", &schema, None, &[], &mut keys);
    } else {
        let mut own = schema.clone();
        own.as_object_mut().map(|o| o.remove("default"));
        one(name, &own, schema.get("default"), false, &[], &mut keys);
    }
    keys
}

/// The keys of a table; `default` is the whole table's.
fn table(at: &str, schema: &Value, default: Option<&Value>, of: &[String], keys: &mut Vec<Key>) {
    let empty = Map::new();
    let required = |name: &str| schema["required"].as_array().is_some_and(|r| r.iter().any(|k| k == name));
    for (name, property) in schema["properties"].as_object().unwrap_or(&empty) {
        let name_of = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        // A table says its defaults as a whole, where it has them.
        let own = property.get("default").or_else(|| default.and_then(|d| d.get(name)));
        one(&name_of, property, own, required(name), of, keys);
    }
}

/// One key, and what stands below it.
fn one(name: &str, schema: &Value, default: Option<&Value>, required: bool, of: &[String], keys: &mut Vec<Key>) {
    let inner = without_null(schema);
    if tagged(&inner["items"]).is_some() {
        return list_of_tables(name, schema, inner, keys);
    }
    let kinds = tagged(inner);
    let is_table = inner["properties"].is_object() || kinds.is_some();
    let shown = match default {
        Some(Value::Null) | None if required => "required".into(),
        Some(Value::Null) | None => String::new(),
        Some(value) => toml_of(value),
    };
    keys.push(Key {
        name: name.to_string(),
        takes: if is_table { "table".into() } else { takes(inner) },
        // What a table has by default stands at its keys.
        default: if is_table && !matches!(default, Some(Value::Null) | None) { String::new() } else { shown },
        meaning: meaning(schema).or_else(|| meaning(inner)).unwrap_or_default(),
        choices: choices(inner),
        of: of.to_vec(),
    });
    match kinds {
        Some((tag, kinds)) => tagged_table(name, tag, &kinds, keys),
        None => table(name, inner, default, of, keys),
    }
}

/// A list of tables: the list, then what all of them have, then what each kind has. `[]` stands for one of the list.
fn list_of_tables(name: &str, schema: &Value, list: &Value, keys: &mut Vec<Key>) {
    keys.push(Key {
        name: name.to_string(),
        takes: "list: table".into(),
        default: String::new(),
        meaning: meaning(schema).or_else(|| meaning(list)).unwrap_or_default(),
        choices: Vec::new(),
        of: Vec::new(),
    });
    let (at, items) = (format!("{name}[]"), &list["items"]);
    if let Some((tag, kinds)) = tagged(items) {
        tagged_table(&at, tag, &kinds, keys);
    }
    table(&at, items, None, &[], keys);
}

/// A table whose kind decides what else is in it.
fn tagged_table(at: &str, tag: &str, kinds: &[(String, &Value)], keys: &mut Vec<Key>) {
    keys.push(Key {
        name: format!("{at}.{tag}"),
        takes: "one of these words".into(),
        default: "required".into(),
        meaning: "Which kind.".into(),
        choices: kinds.iter().map(|(kind, s)| (kind.clone(), meaning(s).unwrap_or_default())).collect(),
        of: Vec::new(),
    });
    let mut below: Vec<Key> = Vec::new();
    for (kind, schema) in kinds {
        let mut of_kind = Vec::new();
        table(at, schema, None, std::slice::from_ref(kind), &mut of_kind);
        for key in of_kind.into_iter().filter(|k| k.name != format!("{at}.{tag}")) {
            match below.iter_mut().find(|k| k.name == key.name) {
                Some(there) => there.of.push(kind.clone()),
                None => below.push(key),
            }
        }
    }
    for key in &mut below {
        if key.of.len() == kinds.len() {
            key.of.clear();
        }
    }
    keys.extend(below);
}

/// The kinds of a table that is told by a word in it: the key of that word, and what each kind has.
fn tagged(schema: &Value) -> Option<(&str, Vec<(String, &Value)>)> {
    let all = schema["oneOf"].as_array()?;
    let word = |s: &Value| {
        let (tag, word) = s["properties"].as_object()?.iter().find_map(|(k, v)| Some((k, v["const"].as_str()?)))?;
        Some((tag.clone(), word.to_string()))
    };
    let (first, _) = word(all.first()?)?;
    let tag = all.first()?["properties"].as_object()?.keys().find(|k| **k == first)?.as_str();
    let kinds = all.iter().map(|s| Some((word(s)?.1, s))).collect::<Option<Vec<_>>>()?;
    Some((tag, kinds))
}

/// What a value is if it is not absent.
fn without_null(schema: &Value) -> &Value {
    let Some(all) = schema["anyOf"].as_array() else { return schema };
    all.iter().find(|s| s["type"] != "null").unwrap_or(schema)
}

fn takes(schema: &Value) -> String {
    if !choices(schema).is_empty() {
        return "one of these words".into();
    }
    let of = |kind: &str| match kind {
        "integer" => "whole number".to_string(),
        "boolean" => "true or false".into(),
        "string" if schema["format"] == "formula" => "formula".into(),
        "string" => "text".into(),
        "object" => "table of your own names".into(),
        "array" => {
            let items = match &schema["items"] {
                table if table["type"] == "object" => "table".to_string(),
                other => takes(other),
            };
            match (schema["minItems"].as_u64(), schema["maxItems"].as_u64()) {
                (Some(n), Some(m)) if n == m => format!("list of {n}: {items}"),
                _ => format!("list: {items}"),
            }
        }
        other => other.to_string(),
    };
    match &schema["type"] {
        Value::String(kind) => of(kind),
        Value::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Value::as_str).filter(|k| *k != "null");
            kinds.map(of).collect::<Vec<_>>().join(" or ")
        }
        _ => "value".into(),
    }
}

/// The words that a schema allows, with what each means.
fn choices(schema: &Value) -> Vec<(String, String)> {
    let words = |list: &Value| -> Vec<(String, String)> {
        list.as_array().into_iter().flatten().filter_map(|w| Some((w.as_str()?.to_string(), String::new()))).collect()
    };
    let mut all = words(&schema["enum"]);
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        match one["const"].as_str() {
            Some(word) => all.push((word.to_string(), meaning(one).unwrap_or_default())),
            None => all.extend(words(&one["enum"])),
        }
    }
    all
}

/// A doc comment as plain text of one line.
fn meaning(schema: &Value) -> Option<String> {
    let text = schema["description"].as_str()?;
    // Links are for who reads the code.
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, link) = rest.split_at(at);
        plain += before;
        let end = link.find(']').filter(|_| link[1..].starts_with('`') || link.contains("]("));
        let Some(end) = end else {
            plain += "[";
            rest = &link[1..];
            continue;
        };
        plain += &link[1..end];
        rest = &link[end + 1..];
        if rest.starts_with('(') {
            rest = rest.find(')').map_or("", |close| &rest[close + 1..]);
        }
    }
    plain += rest;
    Some(plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn toml_of(value: &Value) -> String {
    match value {
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            // Numbers that were f32 have their digits, not those of the f64.
            Some(v) if f64::from(v as f32) == v => (v as f32).to_string(),
            _ => n.to_string(),
        },
        Value::Array(all) => format!("[{}]", all.iter().map(toml_of).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    /// How it goes.
    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Way {
        /// Straight [`on`](crate).
        #[default]
        StraightOn,
        /// Back.
        Back,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    enum Plan {
        /// Slow.
        Slow {
            /// By how
            /// much.
            by: u32,
            /// Both have it.
            #[serde(default)]
            both: bool,
        },
        /// Fast.
        Fast {
            /// Both have it.
            #[serde(default)]
            both: bool,
        },
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Inner {
        /// A share of [0, 1].
        share: f32,
        /// Extents.
        size: Option<[usize; 2]>,
        way: Way,
    }

    impl Default for Inner {
        fn default() -> Self {
            Inner { share: 0.1, size: None, way: Way::Back }
        }
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Outer {
        /// Needed.
        name: String,
        #[serde(default)]
        inner: Inner,
        /// Not always there.
        maybe: Option<Inner>,
        /// The plan.
        plan: Plan,
    }

    #[test]
    fn types_defaults_and_comments_are_told() {
        let keys = keys_of::<Outer>("");
        let of =
            |name: &str| keys.iter().find(|k| k.name == name).unwrap_or_else(|| panic!("{name} in {keys:#?}")).clone();
        let told = |name: &str| {
            let k = of(name);
            [k.takes, k.default, k.meaning]
        };
        assert_eq!(told("name"), ["text", "required", "Needed."]);
        assert_eq!(told("inner.share"), ["number", "0.1", "A share of [0, 1]."]);
        assert_eq!(told("inner.size"), ["list of 2: whole number", "", "Extents."]);
        assert_eq!(told("inner.way"), ["one of these words", "\"back\"", "How it goes."]);
        assert_eq!(
            of("inner.way").choices,
            [("straight-on".into(), "Straight `on`.".to_string()), ("back".into(), "Back.".into())]
        );
        assert_eq!(told("maybe"), ["table", "", "Not always there."]);
        assert_eq!(told("maybe.share"), ["number", "0.1", "A share of [0, 1]."]);
        assert_eq!(told("plan.by"), ["whole number", "required", "By how much."]);
        assert_eq!((of("plan.by").of, of("plan.both").of), (vec!["slow".to_string()], Vec::new()));
        assert_eq!(of("plan.kind").choices.len(), 2);
    }
}
