//! The machine. Its instructions are those of CPython's `Lib/pickletools.py` that protocols 2 to 5 write for numbers, texts,
//! bytes, containers, and calls of names that the reader lists.

use super::Checked;
use super::tree::{Bytes, Call, Name, Node, Pickled, Value};
use std::collections::HashMap;

/// Instructions that a pickle may have: some 30 are needed for a tensor, each may take up 200 bytes of memory.
const MOST_STEPS: usize = 1 << 20;

/// Becomes a dictionary, because it is filled as one.
const ORDERED_DICT: Name = ("collections", "OrderedDict");

/// What one kind of file may ask for, and how its messages end.
pub(crate) struct Rules {
    /// What the pickle is called: "its pickle data.pkl".
    pub pickle: &'static str,
    /// The names that may be imported, besides that of ordered dictionaries.
    pub names: &'static [Name],
    /// Why another name is refused and what to do, after "which is refused: ".
    pub refusal: &'static str,
    /// What to do if something is not known.
    pub remedy: &'static str,
}

/// Reads a pickle.
///
/// # Errors
/// With the place of what is wrong. Names that are not on the list are refused by their name.
pub(crate) fn run<'a>(bytes: &'a [u8], rules: &Rules) -> Checked<Pickled<'a>> {
    let (pickled, used) = run_first(bytes, rules)?;
    match used == bytes.len() {
        true => Ok(pickled),
        false => {
            Err(format!("{}, byte {used} of {}: it ends too early: the file is damaged", rules.pickle, bytes.len()))
        }
    }
}

/// Reads the pickle that bytes begin with, and how many of them are its own.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_first<'a>(bytes: &'a [u8], rules: &Rules) -> Checked<(Pickled<'a>, usize)> {
    let (stack, marks, memo, nodes) = (Vec::new(), Vec::new(), HashMap::new(), Vec::new());
    let mut m = Machine { rules, bytes, at: 0, stack, marks, memo, nodes };
    for _ in 0..MOST_STEPS {
        let start = m.at;
        match m.step().map_err(|e| format!("{}, byte {start} of {}: {e}", rules.pickle, bytes.len()))? {
            None => {}
            Some(root) => return Ok((Pickled { nodes: m.nodes, root }, m.at)),
        }
    }
    Err(format!("{} has more than {MOST_STEPS} instructions; {}", rules.pickle, rules.remedy))
}

struct Machine<'a, 'r> {
    rules: &'r Rules,
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Machine<'a, '_> {
    /// One instruction; the result at the last one.
    fn step(&mut self) -> Checked<Option<Value<'a>>> {
        let code = self.take(1)?[0];
        if (self.at == 1) != (code == 0x80) {
            return Err("a pickle begins with its protocol, once: the file is damaged".into());
        }
        match code {
            0x80 => match self.take(1)?[0] {
                2..=5 => {}
                n => return Err(format!("protocol {n} is not known here; {}", self.rules.remedy)),
            },
            // A frame is a hint for readers of streams.
            0x95 => drop(self.take(8)?),
            b'.' => {
                let root = self.pop()?;
                let left = self.stack.len() + self.marks.len();
                return if left == 0 { Ok(Some(root)) } else { Err("it ends too early: the file is damaged".into()) };
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.import(module, name)?;
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.import(module, name)?,
                _ => return Err("it imports something without a name: the file is damaged".into()),
            },
            b'Q' => {
                let id = self.pop()?;
                self.make(Node::Persistent(id));
            }
            b'R' => self.reduce()?,
            _ if self.constant(code)? || self.container(code)? || self.memory(code)? => {}
            _ => {
                return Err(format!("instruction 0x{code:02x} is not known here; {}", self.rules.remedy));
            }
        }
        Ok(None)
    }

    /// An instruction that puts a number, a word or nothing on the stack; false if it is another one.
    fn constant(&mut self, code: u8) -> Checked<bool> {
        match code {
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => {
                let n = self.number::<1>()?;
                self.push(Value::Int(n as i64));
            }
            b'M' => {
                let n = self.number::<2>()?;
                self.push(Value::Int(n as i64));
            }
            b'J' => {
                let n = self.number::<4>()?;
                self.push(Value::Int(n as u32 as i32 as i64));
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Number);
            }
            0x8c => {
                let n = self.number::<1>()?;
                self.text(n)?;
            }
            b'X' => {
                let n = self.number::<4>()?;
                self.text(n)?;
            }
            0x8d => {
                let n = self.number::<8>()?;
                self.text(n)?;
            }
            b'C' | b'U' => {
                let n = self.number::<1>()?;
                self.raw(n)?;
            }
            b'B' | b'T' => {
                let n = self.number::<4>()?;
                self.raw(n)?;
            }
            0x8e | 0x96 => {
                let n = self.number::<8>()?;
                self.raw(n)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One that makes or fills a tuple, a list or a dictionary.
    fn container(&mut self, code: u8) -> Checked<bool> {
        match code {
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.make(Node::Tuple(Vec::new())),
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..code {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.make(Node::Tuple(items));
            }
            b't' => {
                let items = self.since_mark()?;
                self.make(Node::Tuple(items));
            }
            b']' => self.make(Node::List(Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.list()?.push(item);
            }
            b'e' => {
                let items = self.since_mark()?;
                self.list()?.extend(items);
            }
            b'}' => self.make(Node::Dict(Vec::new())),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.dict()?.push((key, value));
            }
            b'u' => {
                let items = self.since_mark()?;
                let (pairs, rest) = items.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err("a key lacks its value: the file is damaged".into());
                }
                self.dict()?.extend(pairs.iter().map(|[k, v]| (*k, *v)));
            }
            b'b' => self.build()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One that puts the top of the stack into the memo, or takes something from there.
    fn memory(&mut self, code: u8) -> Checked<bool> {
        match code {
            b'q' => {
                let n = self.number::<1>()?;
                self.remember(n as u32)?;
            }
            b'r' => {
                let n = self.number::<4>()?;
                self.remember(n as u32)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let n = self.number::<1>()?;
                self.recall(n as u32)?;
            }
            b'j' => {
                let n = self.number::<4>()?;
                self.recall(n as u32)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take(&mut self, n: usize) -> Checked<&'a [u8]> {
        let bytes = self.bytes.get(self.at..).and_then(|b| b.get(..n)).ok_or("it is cut short")?;
        self.at += n;
        Ok(bytes)
    }

    /// A little-endian number of `N` bytes, at most 8.
    fn number<const N: usize>(&mut self) -> Checked<u64> {
        let bytes = self.take(N)?;
        Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | *b as u64))
    }

    fn long(&mut self) -> Checked<()> {
        let n = self.number::<1>()?;
        let bytes = self.take(n as usize)?;
        self.push(match bytes {
            [] => Value::Int(0),
            // Two's complement: the topmost bit is the sign of all further ones.
            [.., top] if bytes.len() <= 8 => {
                let fill = if top & 0x80 != 0 { -1 } else { 0 };
                Value::Int(bytes.iter().rev().fold(fill, |n, b| n << 8 | *b as i64))
            }
            _ => Value::Number,
        });
        Ok(())
    }

    fn text(&mut self, length: u64) -> Checked<()> {
        let bytes = self.take(usize::try_from(length).map_err(|_| "it is cut short")?)?;
        let text = std::str::from_utf8(bytes).map_err(|e| format!("a text is not UTF-8 ({e}): the file is damaged"))?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn raw(&mut self, length: u64) -> Checked<()> {
        let bytes = self.take(usize::try_from(length).map_err(|_| "it is cut short")?)?;
        self.push(Value::Bytes(Bytes { at: self.at - bytes.len(), bytes }));
        Ok(())
    }

    fn line(&mut self) -> Checked<&'a str> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|b| *b == b'\n').ok_or("it is cut short")?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|e| format!("a name is not UTF-8 ({e}): the file is damaged"))
    }

    fn push(&mut self, v: Value<'a>) {
        self.stack.push(v);
    }

    fn make(&mut self, node: Node<'a>) {
        self.nodes.push(node);
        self.push(Value::Node(self.nodes.len() - 1));
    }

    /// How high the stack was at the last mark: what lies below is out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Checked<Value<'a>> {
        let v = if self.stack.len() > self.floor() { self.stack.pop() } else { None };
        v.ok_or_else(|| "it takes more than it has made: the file is damaged".into())
    }

    fn top(&self) -> Checked<Value<'a>> {
        let v = if self.stack.len() > self.floor() { self.stack.last().copied() } else { None };
        v.ok_or_else(|| "it uses more than it has made: the file is damaged".into())
    }

    fn since_mark(&mut self) -> Checked<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or("it ends a list that it did not begin: the file is damaged")?;
        Ok(self.stack.split_off(mark))
    }

    fn list(&mut self) -> Checked<&mut Vec<Value<'a>>> {
        if let Value::Node(i) = self.top()?
            && let Node::List(items) = &mut self.nodes[i]
        {
            return Ok(items);
        }
        Err("it appends to something that is no list: the file is damaged".into())
    }

    fn dict(&mut self) -> Checked<&mut Vec<(Value<'a>, Value<'a>)>> {
        if let Value::Node(i) = self.top()?
            && let Node::Dict(items) = &mut self.nodes[i]
        {
            return Ok(items);
        }
        Err("it sets something of what is no dictionary: the file is damaged".into())
    }

    fn remember(&mut self, n: u32) -> Checked<()> {
        let v = self.top()?;
        self.memo.insert(n, v);
        Ok(())
    }

    fn recall(&mut self, n: u32) -> Checked<()> {
        let v = self.memo.get(&n).copied();
        self.push(v.ok_or_else(|| format!("it recalls number {n}, which it never remembered: the file is damaged"))?);
        Ok(())
    }

    fn import(&mut self, module: &'a str, name: &'a str) -> Checked<()> {
        let mut known = self.rules.names.iter().chain([&ORDERED_DICT]);
        let global = known.find(|known| **known == (module, name)).ok_or_else(|| {
            let asked: String = format!("{module}.{name}").escape_debug().take(200).collect();
            format!("it asks for {asked}, which is refused: {}", self.rules.refusal)
        })?;
        self.push(Value::Global(*global));
        Ok(())
    }

    /// Notes a call.
    fn reduce(&mut self) -> Checked<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let bad = || "a call of what cannot be called: the file is damaged".to_string();
        let (Value::Global(callee), Value::Node(tuple)) = (callee, arguments) else { return Err(bad()) };
        let Node::Tuple(given) = &self.nodes[tuple] else { return Err(bad()) };
        match (callee, given.is_empty()) {
            (ORDERED_DICT, true) => self.make(Node::Dict(Vec::new())),
            (ORDERED_DICT, false) => return Err(bad()),
            _ => self.make(Node::Call(Call { callee, arguments, state: None })),
        }
        Ok(())
    }

    /// Notes the state of what a call makes. An ordered dictionary's are the versions of modules, which nobody needs.
    fn build(&mut self) -> Checked<()> {
        let state = self.pop()?;
        if let Value::Node(i) = self.top()? {
            match &mut self.nodes[i] {
                Node::Call(call) if call.state.is_none() => {
                    call.state = Some(state);
                    return Ok(());
                }
                Node::Dict(_) => return Ok(()),
                _ => {}
            }
        }
        Err("it gives a state to what takes none: the file is damaged".into())
    }
}
