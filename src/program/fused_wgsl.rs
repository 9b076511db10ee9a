//! The WGSL of a fused kernel, written from its expressions.
//!
//! Two forms. *Flat*: an invocation makes one element, or four where rows allow vec4 access. *Packed*
//! (a store is bits): an invocation makes the 32 elements of one word of one row, so that every word
//! has one writer. The functions of the ops come from `shaders/pointwise`.

use super::{Access, Expr, Fused};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::launch::fold_groups;
use crate::shader::Wgsl;
use crate::shader::assemble::Assembled;
use crate::shader::sources::Sources;
use crate::tensor::DType;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Slots of the scalars buffer: 1 KiB of the 16 KiB that every device grants a uniform buffer.
pub const SCALAR_SLOTS: usize = 256;

/// A generated kernel, ready to be compiled and bound.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedShader {
    /// WGSL.
    pub source: Wgsl,
    /// Paths of the files that its ops come from.
    pub files: BTreeSet<String>,
    /// Values of its `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Workgroups along x, y, z.
    pub workgroups: [u32; 3],
    /// Buffer of each binding of group 0.
    pub buffers: Vec<usize>,
    /// Whether it reads the scalars in group 1.
    pub uses_scalars: bool,
}

struct Binding {
    buffer: usize,
    writes: bool,
    /// Read and written as vec4<f32>.
    wide: bool,
    float: bool,
}

/// The buffers of a kernel, each bound once.
#[derive(Default)]
struct Bindings(Vec<Binding>);

impl Bindings {
    fn bind(&mut self, buffer: usize, writes: bool, wide: bool, float: bool) -> usize {
        let at = self.0.iter().position(|b| b.buffer == buffer).unwrap_or_else(|| {
            self.0.push(Binding { buffer, writes: false, wide, float });
            self.0.len() - 1
        });
        self.0[at].writes |= writes;
        self.0[at].wide &= wide;
        at
    }

    fn declare(&self, s: &mut String) {
        for (i, b) in self.0.iter().enumerate() {
            let access = if b.writes { "read_write" } else { "read" };
            let ty = match (b.float, b.wide) {
                (true, true) => "vec4<f32>",
                (true, false) => "f32",
                (false, _) => "u32",
            };
            writeln!(s, "@group(0) @binding({i}) var<storage, {access}> b{i}: array<{ty}>;").expect("to a string");
        }
    }
}

/// Writes what is of one chain; its names end in its number.
struct Writer<'a> {
    graph: &'a Graph,
    fused: &'a Fused,
    number: usize,
    /// Whether it has the kernel for itself.
    alone: bool,
    load_at: Vec<Option<usize>>,
    store_at: Vec<usize>,
    /// Extents after merging rows that nothing tells apart.
    rows: usize,
    columns: usize,
    width: usize,
    packs: bool,
}

/// Writes the kernel of some chains, whose values lie in the buffers `place`. Each has workgroups of its own.
pub fn generate(sources: &Sources, graph: &Graph, chains: &[Fused], place: &[Option<usize>]) -> Result<FusedShader> {
    let mut bindings = Bindings::default();
    let of = |number| Writer::new(graph, chains, number, place, &mut bindings);
    let writers: Vec<Writer<'_>> = (0..chains.len()).map(of).collect();
    let mut ops = Assembled::default();
    writers.iter().try_for_each(|w| w.include(&mut ops, sources))?;
    let uses_scalars = chains.iter().any(|f| f.loads.iter().any(|(_, a)| matches!(a, Access::Scalar(_))));
    // What tells kernels of the same chains apart are the constants: they share their text.
    let mut constants = Vec::new();
    let mut s = String::new();
    match writers.as_slice() {
        [alone] => {
            s.push_str("override COUNT: u32;\noverride COLUMNS: u32;\n");
            constants = vec![("COUNT", alone.count() as f64), ("COLUMNS", alone.columns as f64)];
        }
        several => {
            for w in several {
                writeln!(
                    s,
                    "const COUNT_{0}: u32 = {1}u;\nconst COLUMNS_{0}: u32 = {2}u;",
                    w.number,
                    w.count(),
                    w.columns
                )
                .expect("to a string");
            }
        }
    }
    bindings.declare(&mut s);
    if uses_scalars {
        let n = SCALAR_SLOTS / 4;
        writeln!(s, "@group(1) @binding(0) var<uniform> scalars: array<vec4<f32>, {n}>;").expect("to a string");
    }
    let groups = main(&writers, &bindings, &mut s);
    ops.generate(&s);
    let (source, files) = ops.finish();
    let buffers = bindings.0.iter().map(|b| b.buffer).collect();
    Ok(FusedShader { source, files, constants, workgroups: fold_groups(groups), buffers, uses_scalars })
}

/// `main`, and before it what each chain does; the workgroups that it takes.
fn main(writers: &[Writer<'_>], bindings: &Bindings, s: &mut String) -> usize {
    for w in writers {
        w.body(s);
        w.run(bindings, s);
    }
    s.push_str(
        "@compute @workgroup_size(64)\nfn main(\n    @builtin(workgroup_id) wid: vec3<u32>,\n    \
         @builtin(num_workgroups) nwg: vec3<u32>,\n    @builtin(local_invocation_index) lane: u32,\n) {\n    \
         let group = wid.x + wid.y * nwg.x;\n",
    );
    let mut first = 0;
    for w in writers {
        let end = first + w.count().div_ceil(64);
        let number = w.number;
        match writers.len() {
            1 => writeln!(s, "    run_{number}(group * 64u + lane);").expect("to a string"),
            _ => writeln!(
                s,
                "    if group >= {first}u && group < {end}u {{\n        run_{number}((group - {first}u) * 64u + lane);\n    }}"
            )
            .expect("to a string"),
        }
        first = end;
    }
    s.push_str("}\n");
    first
}

fn literal(v: f32) -> String {
    assert!(v.is_finite(), "constants of pointwise ops are finite");
    format!("{v:?}f")
}

impl<'a> Writer<'a> {
    fn new(
        graph: &'a Graph,
        chains: &'a [Fused],
        number: usize,
        place: &[Option<usize>],
        bindings: &mut Bindings,
    ) -> Self {
        let (fused, alone) = (&chains[number], chains.len() == 1);
        let packs = fused.packs(graph);
        let plain = |v: Value| graph.dtype(v).per_word() == 1;
        let merged = !packs
            && fused.loads.iter().all(|(v, a)| match a {
                Access::Full => plain(*v),
                Access::Single | Access::Scalar(_) => true,
                Access::Channel | Access::Strided(_) => false,
            });
        let (rows, columns) = match merged {
            true => (1, fused.domain.elements()),
            false => (fused.domain.rows(), fused.domain.columns()),
        };
        let mut bind = |v: Value, writes: bool, wide: bool| {
            let buffer = place[v.index()].expect("what a kernel binds has a buffer");
            bindings.bind(buffer, writes, wide, graph.dtype(v) == DType::F32)
        };
        let four = columns % 4 == 0;
        let load_at = fused
            .loads
            .iter()
            .map(|(v, a)| match a {
                Access::Scalar(_) => None,
                _ => {
                    let wide = four && graph.dtype(*v) == DType::F32 && matches!(a, Access::Full | Access::Channel);
                    Some(bind(*v, false, wide))
                }
            })
            .collect();
        let store_at =
            fused.stores.iter().map(|(v, _)| bind(*v, true, four && graph.dtype(*v) == DType::F32)).collect();
        let width = if four { 4 } else { 1 };
        Writer { graph, fused, number, alone, load_at, store_at, rows, columns, width, packs }
    }

    /// The functions of its ops.
    fn include(&self, ops: &mut Assembled, sources: &Sources) -> Result<()> {
        for e in &self.fused.exprs {
            if let Expr::Apply { node, port, .. } = e {
                let op = self.pointwise(*node);
                ops.include(sources, &format!("pointwise/{}", op.wgsl(*port)))?;
            }
        }
        Ok(())
    }

    /// Invocations that it takes.
    fn count(&self) -> usize {
        match (self.packs, self.width) {
            (true, _) => self.rows * self.columns.div_ceil(32),
            (false, w) => self.rows * self.columns / w,
        }
    }

    fn pointwise(&self, node: usize) -> &dyn crate::graph::Pointwise {
        self.graph.nodes()[node].op.pointwise().expect("only pointwise nodes are fused")
    }

    /// `body`: all stored numbers of one element from its loaded ones.
    fn body(&self, s: &mut String) {
        let number = self.number;
        writeln!(s, "struct Made_{number} {{").expect("to a string");
        for i in 0..self.fused.stores.len() {
            writeln!(s, "    s{i}: f32,").expect("to a string");
        }
        write!(s, "}}\nfn body_{number}(e: u32").expect("to a string");
        for i in 0..self.fused.loads.len() {
            write!(s, ", l{i}: f32").expect("to a string");
        }
        writeln!(s, ") -> Made_{number} {{").expect("to a string");
        for (i, e) in self.fused.exprs.iter().enumerate() {
            match e {
                Expr::Load(l) => writeln!(s, "    let x{i} = l{l};").expect("to a string"),
                Expr::Apply { node, port, args } => {
                    let op = self.pointwise(*node);
                    let index = op.uses_index().then(|| "e".to_string());
                    let args: Vec<String> = index
                        .into_iter()
                        .chain(args.iter().map(|a| format!("x{a}")))
                        .chain(op.constants().into_iter().map(literal))
                        .collect();
                    writeln!(s, "    let x{i} = {}({});", op.wgsl(*port), args.join(", ")).expect("to a string");
                }
            }
        }
        let made: Vec<String> = self.fused.stores.iter().map(|(_, e)| format!("x{e}")).collect();
        writeln!(s, "    return Made_{number}({});\n}}", made.join(", ")).expect("to a string");
    }

    /// One loaded number, for element `e` in `row` at channel `c`, `k` further along.
    fn load(&self, bindings: &Bindings, l: usize, k: usize) -> String {
        let (v, access) = &self.fused.loads[l];
        if let Access::Scalar(slot) = access {
            return format!("scalars[{}].{}", slot / 4, ["x", "y", "z", "w"][slot % 4]);
        }
        let b = self.load_at[l].expect("only scalars have no binding");
        let dtype = self.graph.dtype(*v);
        let own = self.graph.shape(*v).columns();
        let per = dtype.per_word();
        let words = dtype.row_words(own);
        // Row and column of the element in the input, as WGSL.
        let (row, column) = match access {
            Access::Full => ("row".to_string(), format!("(c + {k}u)")),
            Access::Channel => ("0u".to_string(), format!("(c + {k}u)")),
            Access::Single => ("0u".to_string(), "0u".to_string()),
            Access::Strided(strides) => {
                let at = strided(strides, &self.fused.domain, k);
                if per == 1 { ("0u".to_string(), at) } else { (format!("({at} / {own}u)"), format!("({at} % {own}u)")) }
            }
            Access::Scalar(_) => unreachable!("handled above"),
        };
        if bindings.0[b].wide {
            let lane = ["x", "y", "z", "w"][k];
            return match access {
                Access::Channel => format!("b{b}[c / 4u].{lane}"),
                _ => format!("b{b}[e / 4u].{lane}"),
            };
        }
        let word = match access {
            Access::Full if per == 1 => format!("b{b}[e + {k}u]"),
            _ if per == 1 => format!("b{b}[{column}]"),
            _ => format!("b{b}[{row} * {words}u + {column} / {per}u]"),
        };
        match dtype {
            DType::F32 => word,
            DType::U32 => format!("f32({word})"),
            DType::I32 => format!("f32(bitcast<i32>({word}))"),
            DType::I16 => format!("f32(extractBits(bitcast<i32>({word}), 16u * ({column} % 2u), 16u))"),
            DType::U8 => format!("f32(extractBits({word}, 8u * ({column} % 4u), 8u))"),
            DType::Bits => format!("f32(extractBits({word}, {column} % 32u, 1u))"),
        }
    }

    /// Calls `body` for element e + k.
    fn call(&self, bindings: &Bindings, k: usize) -> String {
        let args: String = (0..self.fused.loads.len()).map(|l| format!(", {}", self.load(bindings, l, k))).collect();
        format!("body_{}(e + {k}u{args})", self.number)
    }

    /// Makes `width` elements at e and stores the floats among them; bits go to the words `w…` at
    /// offset `bit`.
    fn elements(&self, bindings: &Bindings, s: &mut String, indent: &str) {
        for k in 0..self.width {
            writeln!(s, "{indent}let m{k} = {};", self.call(bindings, k)).expect("to a string");
        }
        for (i, (v, _)) in self.fused.stores.iter().enumerate() {
            let b = self.store_at[i];
            if self.graph.dtype(*v) == DType::Bits {
                for k in 0..self.width {
                    writeln!(s, "{indent}w{i} |= select(0u, 1u << (bit + {k}u), m{k}.s{i} > 0.5);")
                        .expect("to a string");
                }
            } else if bindings.0[b].wide {
                writeln!(s, "{indent}b{b}[e / 4u] = vec4<f32>(m0.s{i}, m1.s{i}, m2.s{i}, m3.s{i});")
                    .expect("to a string");
            } else {
                for k in 0..self.width {
                    writeln!(s, "{indent}b{b}[e + {k}u] = m{k}.s{i};").expect("to a string");
                }
            }
        }
    }

    /// `run`: what invocation i does.
    fn run(&self, bindings: &Bindings, s: &mut String) {
        // Of one chain alone they are `override` constants.
        let (count, columns) = match self.alone {
            true => ("COUNT".to_string(), "COLUMNS".to_string()),
            false => (format!("COUNT_{}", self.number), format!("COLUMNS_{}", self.number)),
        };
        writeln!(s, "fn run_{}(i: u32) {{\n    if i >= {count} {{\n        return;\n    }}", self.number)
            .expect("to a string");
        if !self.packs {
            writeln!(s, "    let e = i * {}u;\n    let row = e / {columns};\n    let c = e % {columns};", self.width)
                .expect("to a string");
            self.elements(bindings, s, "    ");
        } else {
            writeln!(
                s,
                "    let words = ({columns} + 31u) / 32u;\n    let row = i / words;\n    let word = i % words;\n    \
                 let bits = min(32u, {columns} - word * 32u);"
            )
            .expect("to a string");
            let packed: Vec<usize> = (0..self.fused.stores.len())
                .filter(|i| self.graph.dtype(self.fused.stores[*i].0) == DType::Bits)
                .collect();
            for i in &packed {
                writeln!(s, "    var w{i} = 0u;").expect("to a string");
            }
            writeln!(
                s,
                "    for (var bit = 0u; bit < bits; bit += {}u) {{\n        let c = word * 32u + bit;\n        let e = row * {columns} + c;",
                self.width
            )
            .expect("to a string");
            self.elements(bindings, s, "        ");
            s.push_str("    }\n");
            for i in &packed {
                writeln!(s, "    b{}[i] = w{i};", self.store_at[*i]).expect("to a string");
            }
        }
        s.push_str("}\n");
    }
}

/// The offset that a broadcast input has at element e + k of the domain.
fn strided(strides: &[usize], domain: &[usize], k: usize) -> String {
    let mut below = 1;
    let mut terms = Vec::new();
    for (axis, stride) in strides.iter().enumerate().rev() {
        if *stride > 0 {
            terms.push(format!("(e + {k}u) / {below}u % {}u * {stride}u", domain[axis]));
        }
        below *= domain[axis];
    }
    match terms.is_empty() {
        true => "0u".to_string(),
        false => format!("({})", terms.join(" + ")),
    }
}
