//! What a restricted pickle is made of. Containers are referred to by number, so that neither cycles nor deep nesting
//! matter to whoever walks or drops them.

use super::super::floats::Float;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A number that is of no use here: a float, or an integer of more than 64 bits.
    Number,
    Text(&'a str),
    Global(Global),
    /// Its place in [`Pickled::nodes`].
    Node(usize),
}

/// The names that a state dict needs, of all that a pickle may import.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// Of floats, or of another type by its name.
    Storage(Option<Float>, &'static str),
}

impl Global {
    pub(super) fn find(module: &str, name: &str) -> Option<Global> {
        let storage = |float, what| Some(Global::Storage(float, what));
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", "HalfStorage") => storage(Some(Float::F16), "float16"),
            ("torch", "BFloat16Storage") => storage(Some(Float::Bf16), "bfloat16"),
            ("torch", "FloatStorage") => storage(Some(Float::F32), "float32"),
            ("torch", "DoubleStorage") => storage(Some(Float::F64), "float64"),
            ("torch", "LongStorage") => storage(None, "int64"),
            ("torch", "IntStorage") => storage(None, "int32"),
            ("torch", "ShortStorage") => storage(None, "int16"),
            ("torch", "CharStorage") => storage(None, "int8"),
            ("torch", "ByteStorage") => storage(None, "uint8"),
            ("torch", "BoolStorage") => storage(None, "bool"),
            _ => None,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(Tensor<'a>),
}

/// Numbers in a record of their own.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    /// `None` if they are no floats.
    pub(super) float: Option<Float>,
    /// Their type by its name.
    pub(super) kind: &'static str,
    /// How many.
    pub(super) count: usize,
}

/// A view of a storage.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) view: View,
}

/// Which elements of a storage: the first one, and for each axis how many and how far apart.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct View {
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What a pickle makes.
#[derive(Debug)]
pub(super) struct Pickled<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) root: Value<'a>,
}

impl Pickled<'_> {
    /// What a value is, for messages.
    pub(super) fn what(&self, v: Value<'_>) -> &'static str {
        match v {
            Value::None => "None",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Number => "a number",
            Value::Text(_) => "a text",
            Value::Global(_) => "a type",
            Value::Node(i) => match &self.nodes[i] {
                Node::Tuple(_) => "a tuple",
                Node::List(_) => "a list",
                Node::Dict(_) => "a dictionary",
                Node::Storage(_) => "a storage",
                Node::Tensor(_) => "a tensor",
            },
        }
    }
}
