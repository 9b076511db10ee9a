//! A restricted reader of Python's pickles (protocols 2 to 5): what `torch.save` writes for a state dict, and nothing
//! that could run anything. A pickle is a program for a machine with a stack and a memo; its instructions are those of
//! CPython's `Lib/pickletools.py`. The machine knows a handful of names and refuses every other one.

use super::super::Checked;
use super::value::{Global, Node, Pickled, Storage, Tensor, Value, View};
use std::collections::HashMap;

/// Instructions that a pickle may have: some 30 are needed for a tensor, each may take up 200 bytes of memory.
const MOST_STEPS: usize = 1 << 20;

/// Axes that a tensor may have.
const MOST_AXES: usize = 8;

/// Runs a pickle.
///
/// # Errors
/// With the place of what is wrong. Names that no state dict needs are refused by their name.
pub(super) fn run(bytes: &[u8]) -> Checked<Pickled<'_>> {
    let mut m = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), nodes: Vec::new() };
    for _ in 0..MOST_STEPS {
        let start = m.at;
        match m.step().map_err(|e| format!("its pickle data.pkl, byte {start} of {}: {e}", bytes.len()))? {
            None => {}
            Some(root) => return Ok(Pickled { nodes: m.nodes, root }),
        }
    }
    Err(format!("its pickle data.pkl has more than {MOST_STEPS} instructions; save the weights alone: {SAVE}"))
}

const SAVE: &str = "torch.save(model.state_dict(), \"weights.pth\")";

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Machine<'a> {
    /// One instruction; the result at the last one.
    fn step(&mut self) -> Checked<Option<Value<'a>>> {
        let code = self.take(1)?[0];
        if (self.at == 1) != (code == 0x80) {
            return Err("a pickle begins with its protocol, once: the file is damaged".into());
        }
        match code {
            0x80 => match self.take(1)?[0] {
                2..=5 => {}
                n => return Err(format!("protocol {n} is not known here; save it again: {SAVE}")),
            },
            // A frame is a hint for readers of streams.
            0x95 => drop(self.take(8)?),
            b'.' => {
                let root = self.pop()?;
                let left = self.stack.len() + self.marks.len() + self.bytes.len() - self.at;
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
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            _ if self.constant(code)? || self.container(code)? || self.memory(code)? => {}
            _ => {
                return Err(format!(
                    "instruction 0x{code:02x} is needed by no state dict and not known here; save the weights alone: {SAVE}"
                ));
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
            // The attributes of an ordered dictionary: versions of modules.
            b'b' => {
                self.pop()?;
                self.dict()?;
            }
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
        Err("it sets something of what is no dictionary; save the weights alone, if the file is whole".into())
    }

    fn tuple(&self, v: Value<'a>) -> Option<&[Value<'a>]> {
        match v {
            Value::Node(i) => match &self.nodes[i] {
                Node::Tuple(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
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
        let global = Global::find(module, name).ok_or_else(|| {
            let asked: String = format!("{module}.{name}").escape_debug().take(200).collect();
            format!(
                "it asks for {asked}, which is refused: weights need only tensors and dictionaries, and nothing that a file \
                 asks for is run. Save the weights alone: {SAVE}, or from a checkpoint that you trust \
                 torch.save(torch.load(FILE, weights_only=False)[\"state_dict\"], \"weights.pth\")"
            )
        })?;
        self.push(Value::Global(global));
        Ok(())
    }

    /// ("storage", type, key, device, count) to a storage.
    fn storage(&mut self) -> Checked<()> {
        let id = self.pop()?;
        match self.tuple(id) {
            Some(
                &[
                    Value::Text("storage"),
                    Value::Global(Global::Storage(float, kind)),
                    Value::Text(key),
                    _,
                    Value::Int(n),
                ],
            ) => {
                let count = size(n).ok_or_else(|| format!("a storage of {n} numbers: the file is damaged"))?;
                self.make(Node::Storage(Storage { key, float, kind, count }));
                Ok(())
            }
            _ => Err(
                "it refers to something that is no storage of numbers; save the weights alone, if the file is whole"
                    .into(),
            ),
        }
    }

    /// Calls one of the known names.
    fn reduce(&mut self) -> Checked<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let bad = |what: &str| {
            format!("{what} that torch.save does not write: the file is damaged, or of an unknown version")
        };
        let Some(arguments) = self.tuple(arguments) else { return Err(bad("a call")) };
        let node = match (callee, arguments) {
            (Value::Global(Global::OrderedDict), []) => Node::Dict(Vec::new()),
            (Value::Global(Global::RebuildTensor), &[Value::Node(storage), Value::Int(offset), shape, strides, ..]) => {
                let Node::Storage(storage) = self.nodes[storage] else { return Err(bad("a tensor without a storage")) };
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                let offset = size(offset).filter(|_| shape.len() == strides.len());
                let offset = offset.ok_or_else(|| bad("a tensor with a shape and strides"))?;
                Node::Tensor(Tensor { storage, view: View { offset, shape, strides } })
            }
            (Value::Global(Global::RebuildParameter), &[tensor, ..]) => {
                let is_tensor = matches!(tensor, Value::Node(i) if matches!(self.nodes[i], Node::Tensor(_)));
                self.push(if is_tensor { tensor } else { return Err(bad("a parameter without a tensor")) });
                return Ok(());
            }
            _ => return Err(bad("a call")),
        };
        self.make(node);
        Ok(())
    }

    /// A tuple of sizes.
    fn sizes(&self, v: Value<'a>) -> Checked<Vec<usize>> {
        let items = self.tuple(v).filter(|items| items.len() <= MOST_AXES);
        let sizes = items.and_then(|items| {
            items.iter().map(|v| if let Value::Int(n) = v { size(*n) } else { None }).collect::<Option<Vec<_>>>()
        });
        sizes.ok_or_else(|| {
            format!("a tensor whose shape or strides are not up to {MOST_AXES} sizes: the file is damaged")
        })
    }
}

fn size(n: i64) -> Option<usize> {
    usize::try_from(n).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::floats::Float;
    use super::*;

    /// `{"w": tensor}` as `torch.save` writes it, around the rest of a tensor's pickle.
    const TENSOR: &[u8] = b"\x80\x02}q\0X\x01\0\0\0wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storageq\x03\
        ctorch\nFloatStorage\nq\x04X\x01\0\0\x007q\x05X\x03\0\0\0cpuq\x06K\x0ctq\x07QK\x02K\x02K\x03\x86q\x08K\x03K\x01\x86q\x09\
        \x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds.";

    #[test]
    fn a_tensor_is_a_view_of_a_storage() {
        let made = run(TENSOR).unwrap();
        let Value::Node(root) = made.root else { panic!() };
        let Node::Dict(items) = &made.nodes[root] else { panic!() };
        let (Value::Text("w"), Value::Node(tensor)) = items[0] else { panic!() };
        let Node::Tensor(t) = &made.nodes[tensor] else { panic!() };
        assert_eq!(t.view, View { offset: 2, shape: vec![2, 3], strides: vec![3, 1] });
        assert_eq!(t.storage, Storage { key: "7", float: Some(Float::F32), kind: "float32", count: 12 });
    }

    #[test]
    fn nothing_but_known_names_is_let_in() {
        for (pickle, name) in [
            (&b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."[..], "os.system"),
            (b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R.", "builtins.eval"),
            (b"\x80\x02ctorch\nload\n.", "torch.load"),
            (b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.", "posix.system"),
            (b"\x80\x02cos\n\x1b[2Jsystem\n.", "os.\\u{1b}[2Jsystem"),
        ] {
            let m = run(pickle).unwrap_err();
            assert!(m.contains(&format!("asks for {name}, which is refused")), "{m}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (pickle, said) in [
            (&b""[..], "byte 0 of 0: it is cut short"),
            (b"\x80\x02", "byte 2 of 2: it is cut short"),
            (b"}.", "begins with its protocol"),
            (b"\x80\x01}.", "protocol 1 "),
            (b"\x80\x02.", "more than it has made"),
            (b"\x80\x02}(.", "more than it has made"),
            (b"\x80\x02}}.", "ends too early"),
            (b"\x80\x02}.}", "ends too early"),
            (b"\x80\x02t.", "did not begin"),
            (b"\x80\x02h\x05.", "recalls number 5"),
            (b"\x80\x02j\xff\xff\xff\xff.", "recalls number 4294967295"),
            (b"\x80\x02X\xff\xff\xff\xffa.", "cut short"),
            (b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "cut short"),
            (b"\x80\x02X\x01\0\0\0\xff.", "not UTF-8"),
            (b"\x80\x02cos", "cut short"),
            (b"\x80\x02K\x01K\x01s.", "more than it has made"),
            (b"\x80\x02K\x01K\x01K\x01s.", "no dictionary"),
            (b"\x80\x02}(K\x01u.", "lacks its value"),
            (b"\x80\x02K\x01Q.", "no storage"),
            (b"\x80\x02K\x01)R.", "a call"),
            (b"\x80\x02i", "0x69"),
        ] {
            let m = run(pickle).unwrap_err();
            assert!(m.contains(said), "{said:?}: {m}");
        }
    }

    #[test]
    fn numbers_are_pythons() {
        let of = |pickle: &[u8]| run(&[b"\x80\x02", pickle, b"."].concat()).map(|p| format!("{:?}", p.root)).unwrap();
        assert_eq!(of(b"K\xff"), "Int(255)");
        assert_eq!(of(b"M\x01\x02"), "Int(513)");
        assert_eq!(of(b"J\xfe\xff\xff\xff"), "Int(-2)");
        assert_eq!(of(b"\x8a\x00"), "Int(0)");
        assert_eq!(of(b"\x8a\x01\xff"), "Int(-1)");
        assert_eq!(of(b"\x8a\x03\x00\x00\x01"), "Int(65536)");
        assert_eq!(of(b"\x8a\x08\0\0\0\0\0\0\0\x80"), format!("Int({})", i64::MIN));
        assert_eq!(of(b"\x8a\x09\0\0\0\0\0\0\0\0\x01"), "Number");
    }

    #[test]
    fn a_pickle_cut_or_changed_anywhere_is_refused_or_read() {
        for cut in 0..TENSOR.len() {
            run(&TENSOR[..cut]).unwrap_err();
        }
        for at in 0..TENSOR.len() {
            for change in 1..=255 {
                let mut changed = TENSOR.to_vec();
                changed[at] ^= change;
                // Some changes give another good pickle; none may panic.
                let _ = run(&changed);
            }
        }
    }

    #[test]
    fn neither_nesting_nor_cycles_nor_length_matter() {
        // A tuple in a tuple in a tuple ..., then a dictionary that holds itself.
        let deep = [&b"\x80\x02)"[..], &b"\x85".repeat(500_000), b"."].concat();
        assert!(run(&deep).is_ok());
        let cycle = run(b"\x80\x02}q\0X\x01\0\0\0ah\0s.").unwrap();
        assert_eq!(cycle.nodes.len(), 1);
        let long = [&b"\x80\x02"[..], &b"N".repeat(2_000_000)].concat();
        assert!(run(&long).unwrap_err().contains("instructions"));
        let marks = [&b"\x80\x02"[..], &b"(".repeat(2_000_000)].concat();
        assert!(run(&marks).unwrap_err().contains("instructions"));
    }
}
