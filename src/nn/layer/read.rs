//! A layer as a table: the keys that all have, and those of what it does.

use super::{Expr, LAYERS, Layer, LayerKind, Own};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::{Table, Value};

/// What a layer may have, for lists of settings.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its schema alone is wanted")]
pub struct LayerKeys {
    #[schemars(flatten)]
    op: LayerKind,
    /// Under which its parameters are stored, and others find it; its place in the list if it has none. An empty one puts the
    /// layers of a block beside those around it.
    #[schemars(default)]
    name: Option<String>,
    /// The layer whose result it takes, if not the one before it: `"in"` is what the innermost block was given, `"input"` the
    /// image.
    #[schemars(default)]
    from: Option<String>,
    /// Blocks: how often it comes, one behind the other.
    #[schemars(default)]
    repeat: Option<Expr>,
    /// Whether a stage of the network ends with it.
    #[schemars(default)]
    stage: bool,
}

/// The layers of a network; what is wrong with one is said with its number, from 0.
pub fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Layer>, D::Error> {
    let all = Vec::<Table>::deserialize(from)?;
    let layers = all.into_iter().enumerate();
    let read = |(i, table)| Layer::deserialize(Value::Table(table)).map_err(|e| format!("layer {i}: {}", e.message()));
    layers.map(read).collect::<Result<_, _>>().map_err(D::Error::custom)
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Layer, D::Error> {
        let mut table = Table::deserialize(from)?;
        fn take<T: for<'a> Deserialize<'a>>(table: &mut Table, key: &str) -> Result<Option<T>, String> {
            let Some(value) = table.remove(key) else { return Ok(None) };
            let shown = value.to_string();
            value.try_into().map(Some).map_err(|e: toml::de::Error| format!("{key} = {shown}: {}", e.message()))
        }
        let mut read = || {
            let name: Option<String> = take(&mut table, "name")?;
            let (from, repeat, stage) =
                (take(&mut table, "from")?, take::<Expr>(&mut table, "repeat")?, take(&mut table, "stage")?);
            let shown = table.get("op").map_or("a layer".to_string(), |op| format!("a layer with op = {op}"));
            if !table.contains_key("op") {
                return Err("a layer does not say what it is: give it an op, for example op = \"conv\"".to_string());
            }
            let op = kind(std::mem::take(&mut table)).map_err(|e| format!("{shown}: {e}"))?;
            Ok(Layer { name, from, repeat, stage: stage.unwrap_or(false), op })
        };
        read().map_err(D::Error::custom)
    }
}

/// What a layer does, of this crate or of another one.
fn kind(mut table: Table) -> Result<LayerKind, String> {
    let own = table.get("op").and_then(Value::as_str).and_then(|word| LAYERS.find(word));
    if let Some(layer) = own {
        table.remove("op");
        layer.check(&table).map_err(|e| e.to_string())?;
        return Ok(LayerKind::Own(Own { layer, settings: table }));
    }
    LayerKind::deserialize(Value::Table(table)).map_err(|e| {
        let also: Vec<String> = LAYERS.names().iter().map(|name| format!(", `{name}`")).collect();
        let is_word = e.message().starts_with("unknown variant");
        format!("{}{}", e.message(), if is_word { also.concat() } else { String::new() })
    })
}

impl LayerKind {
    /// As a table, with `op`.
    fn table(&self) -> Result<Table, toml::ser::Error> {
        let LayerKind::Own(Own { layer, settings }) = self else { return Table::try_from(self) };
        let op = ("op".to_string(), Value::String(layer.name().into()));
        Ok([op].into_iter().chain(settings.clone()).collect())
    }

    /// What it is called in lists.
    pub fn word(&self) -> String {
        let table = self.table().expect("every kind of layer can be written as TOML");
        table.get("op").and_then(Value::as_str).expect("with its op").to_string()
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let op = self.op.table().map_err(S::Error::custom)?;
        let mut table = Table::new();
        // What it is comes first.
        table.extend(op.get("op").map(|word| ("op".to_string(), word.clone())));
        let mut set = |key: &str, value: Option<Value>| table.extend(value.map(|v| (key.to_string(), v)));
        set("name", self.name.clone().map(Value::String));
        set("from", self.from.clone().map(Value::String));
        set("repeat", self.repeat.as_ref().map(Value::try_from).transpose().map_err(S::Error::custom)?);
        set("stage", self.stage.then_some(Value::Boolean(true)));
        table.extend(op.into_iter().filter(|(key, _)| key != "op"));
        table.serialize(to)
    }
}
