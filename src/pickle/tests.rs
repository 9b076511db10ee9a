//! Pickles by their bytes, good and bad.

use super::{Checked, Pickled, Rules, Value};

const RULES: Rules = Rules {
    pickle: "the pickle",
    names: &[("torch._utils", "_rebuild_tensor_v2"), ("torch", "FloatStorage")],
    refusal: "nothing is run",
    remedy: "write it anew",
};

fn run(bytes: &[u8]) -> Checked<Pickled<'_>> {
    super::machine::run(bytes, &RULES)
}

/// `{"w": tensor}` as `torch.save` writes it, around the rest of a tensor's pickle.
const TENSOR: &[u8] = b"\x80\x02}q\0X\x01\0\0\0wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storageq\x03\
    ctorch\nFloatStorage\nq\x04X\x01\0\0\x007q\x05X\x03\0\0\0cpuq\x06K\x0ctq\x07QK\x02K\x02K\x03\x86q\x08K\x03K\x01\x86q\x09\
    \x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds.";

#[test]
fn calls_are_noted_and_not_made() {
    let made = run(TENSOR).unwrap();
    let (call, arguments) = made.call(made.get(made.root, "w").unwrap()).unwrap();
    assert_eq!((call.callee, call.state), (("torch._utils", "_rebuild_tensor_v2"), None));
    let &[storage, Value::Int(2), shape, strides, Value::Bool(false), hooks] = arguments else { panic!() };
    assert_eq!(made.tuple(shape).unwrap(), [Value::Int(2), Value::Int(3)]);
    assert_eq!(made.tuple(strides).unwrap(), [Value::Int(3), Value::Int(1)]);
    assert_eq!(made.dict(hooks).unwrap(), []);
    let storage = made.tuple(made.persistent(storage).unwrap()).unwrap();
    assert_eq!(storage[1..3], [Value::Global(("torch", "FloatStorage")), Value::Text("7")]);
}

/// An array as NumPy pickles it under Python 2: made by a call, then given its state.
#[test]
fn what_is_built_keeps_its_state() {
    let pickle = b"\x80\x02U\x01aq\0ctorch\nFloatStorage\nq\x01)R(K\x01T\x04\0\0\0\x00\xff\x80\x01tb\x86.";
    let made = run(pickle).unwrap();
    let &[name, array] = made.tuple(made.root).unwrap() else { panic!() };
    assert_eq!(name.text(), Some("a"));
    let (call, arguments) = made.call(array).unwrap();
    assert!(arguments.is_empty());
    let &[Value::Int(1), Value::Bytes(b)] = made.tuple(call.state.unwrap()).unwrap() else { panic!() };
    assert_eq!(b.bytes, [0x00, 0xff, 0x80, 0x01]);
    assert_eq!(pickle[b.at..b.at + 4], *b.bytes);
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
        (b"\x80\x02)}b.", "takes none"),
        (b"\x80\x02T\xff\xff\xff\xffa.", "cut short"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffa.", "cut short"),
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
