//! What a pickle makes. Containers are referred to by number, so that neither cycles nor deep nesting matter to whoever
//! walks or drops them.

/// Module and name of what a pickle imports.
pub(crate) type Name = (&'static str, &'static str);

/// One value, or the number of the node that it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A number that is of no use here: a float, or an integer of more than 64 bits.
    Number,
    Text(&'a str),
    /// Bytes, or a text of Python 2, which does not tell the two apart.
    Bytes(Bytes<'a>),
    Global(Name),
    /// Its place in [`Pickled::nodes`].
    Node(usize),
}

/// Bytes of a pickle, and where in it they begin: what is large can be read again from there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Bytes<'a> {
    pub at: usize,
    pub bytes: &'a [u8],
}

/// What holds other values.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Node<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// What a name was to be called with.
    Call(Call<'a>),
    /// Something outside of the pickle, by the value that says which.
    Persistent(Value<'a>),
}

/// A call that was not made.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Call<'a> {
    pub callee: Name,
    /// A tuple.
    pub arguments: Value<'a>,
    /// What the made thing was to take its state from.
    pub state: Option<Value<'a>>,
}

/// A whole pickle.
#[derive(Debug)]
pub(crate) struct Pickled<'a> {
    pub nodes: Vec<Node<'a>>,
    pub root: Value<'a>,
}

impl<'a> Value<'a> {
    /// A text of Python 3 or 2.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Bytes(b) => std::str::from_utf8(b.bytes).ok(),
            _ => None,
        }
    }
}

impl<'a> Pickled<'a> {
    fn node(&self, v: Value<'a>) -> Option<&Node<'a>> {
        if let Value::Node(i) = v { self.nodes.get(i) } else { None }
    }

    /// The values of a tuple.
    pub fn tuple(&self, v: Value<'a>) -> Option<&[Value<'a>]> {
        if let Some(Node::Tuple(items)) = self.node(v) { Some(items) } else { None }
    }

    /// The values of a list.
    pub fn list(&self, v: Value<'a>) -> Option<&[Value<'a>]> {
        if let Some(Node::List(items)) = self.node(v) { Some(items) } else { None }
    }

    /// The entries of a dictionary, in the order in which they were set.
    pub fn dict(&self, v: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        if let Some(Node::Dict(items)) = self.node(v) { Some(items) } else { None }
    }

    /// The value of a dictionary's key; of several the last one, as in Python.
    pub fn get(&self, dict: Value<'a>, key: &str) -> Option<Value<'a>> {
        self.dict(dict)?.iter().rev().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| *v)
    }

    /// A call, and its arguments.
    pub fn call(&self, v: Value<'a>) -> Option<(&Call<'a>, &[Value<'a>])> {
        let Some(Node::Call(call)) = self.node(v) else { return None };
        Some((call, self.tuple(call.arguments)?))
    }

    /// The value that says what lies outside.
    pub fn persistent(&self, v: Value<'a>) -> Option<Value<'a>> {
        if let Some(Node::Persistent(id)) = self.node(v) { Some(*id) } else { None }
    }

    /// What a value is, for messages.
    pub fn what(&self, v: Value<'a>) -> &'static str {
        match v {
            Value::None => "None",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Number => "a number",
            Value::Text(_) | Value::Bytes(_) => "a text",
            Value::Global(_) => "a type",
            Value::Node(_) => match self.node(v) {
                Some(Node::Tuple(_)) => "a tuple",
                Some(Node::List(_)) => "a list",
                Some(Node::Dict(_)) => "a dictionary",
                _ => "an object",
            },
        }
    }
}
