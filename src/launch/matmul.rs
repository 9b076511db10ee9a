//! How matrix products are dispatched.

use super::lanes::Lanes;
use super::matrix::{Factor, Lines, MatrixTile, Product};
use super::tiles::{Quads, Tile, access};
use super::variants::{Form, Variant, Variants};
use super::{Launch, Lowering, Operand, Target, block_rows, fold_groups};
use crate::tensor::MatMulExtents;

/// The product. GPUs get tiles in workgroup memory, software adapters a register tile an invocation
/// where the extents allow.
pub fn matmul(e: &MatMulExtents, target: &Target) -> Lowering {
    build(e, rule(e, target), target)
}

/// All ways to run the product.
pub fn matmul_variants(e: &MatMulExtents, target: &Target) -> Variants {
    let rule = rule(e, target);
    let mut forms = vec![rule];
    forms.extend(Form::worth(target, rule, &[4, 8, 16]).into_iter().filter(|f| *f != rule && fits(e, *f, target)));
    let stored = |transposed: bool, batched: bool| match (transposed, batched) {
        (false, false) => "",
        (true, false) => " transposed",
        (false, true) => " batched",
        (true, true) => " batched, transposed",
    };
    let (a, b) = (stored(e.transpose_a, e.batched_a), stored(e.transpose_b, e.batched_b));
    let class = format!("matmul {} of {}x{}{a} by {}x{}{b}, by rule {rule}", e.batch, e.m, e.k, e.k, e.n);
    Variants {
        class,
        all: forms.iter().map(|f| Variant { name: f.to_string(), lowering: build(e, *f, target) }).collect(),
    }
}

fn rule(e: &MatMulExtents, target: &Target) -> Form {
    let matrix = MatrixTile::of_rule(target).map(Form::Matrix);
    if let Some(form) = matrix.filter(|f| fits(e, *f, target)) {
        return form;
    }
    if let Some(tile) = Tile::choose(target, e.batch, e.m, e.n) {
        return Form::Tiles(tile);
    }
    let most = target.accumulators;
    let columns = [16, 8, 4].into_iter().find(|c| c * c <= most && e.n.is_multiple_of(*c));
    let blocked = !e.transpose_a && e.k.is_multiple_of(4) && columns.is_some();
    if let Some(lanes) = Lanes::choose(target, e.batch, e.m, e.n, blocked) {
        return Form::Lanes(lanes);
    }
    if let (true, Some(columns)) = (target.software, columns) {
        let rows = block_rows(e.m, e.batch * (e.n / columns)).min(most / columns);
        let form = Form::Blocked { rows, columns };
        if fits(e, form, target) {
            return form;
        }
    }
    Form::Plain
}

/// Whether a kernel takes such a product.
fn fits(e: &MatMulExtents, form: Form, target: &Target) -> bool {
    match form {
        Form::Blocked { columns, .. } => !e.transpose_a && e.k.is_multiple_of(4) && e.n.is_multiple_of(columns),
        Form::Matrix(tile) => {
            let [a, b] = factors(e);
            tile.takes(target, e.k, &a, &b)
        }
        Form::Tiles(_) | Form::Lanes(_) | Form::Plain => true,
    }
}

/// Invocations of the kernel with register tiles.
fn invocations(e: &MatMulExtents, rows: usize, columns: usize) -> usize {
    e.batch * e.m.div_ceil(rows) * (e.n / columns)
}

fn build(e: &MatMulExtents, form: Form, target: &Target) -> Lowering {
    let batch = [
        ("BATCH", e.batch as f64),
        ("M", e.m as f64),
        ("N", e.n as f64),
        ("K", e.k as f64),
        ("BATCHED_A", e.batched_a as u8 as f64),
        ("BATCHED_B", e.batched_b as u8 as f64),
    ];
    let transposes = [("TA", e.transpose_a as u8 as f64), ("TB", e.transpose_b as u8 as f64)];
    let one = |shader, defines, constants, groups| -> Lowering {
        let operands = vec![Operand::In(0), Operand::In(1), Operand::Out(0)];
        Launch { shader, defines, constants, workgroups: fold_groups(groups), operands }.into()
    };
    match form {
        Form::Tiles(tile) => by_tiles(e, tile),
        Form::Matrix(tile) => by_matrices(e, tile, target),
        Form::Blocked { rows, columns } => {
            let defines = vec![("ROWS", rows as u32), ("COLUMNS", columns as u32), ("TB", e.transpose_b as u32)];
            one("linalg/matmul_blocked", defines, batch.to_vec(), invocations(e, rows, columns).div_ceil(32))
        }
        Form::Lanes(lanes) => {
            // Columns of B beside each other are loaded together, those that lie apart along k.
            let quads = !e.transpose_a && e.k.is_multiple_of(4) && (e.transpose_b || e.n.is_multiple_of(4));
            let defines = [lanes.defines(quads), vec![("ALONG", (quads && !e.transpose_b) as u32)]].concat();
            let groups = lanes.groups(lanes.invocations(e.batch, e.m, e.n));
            one("linalg/matmul_lanes", defines, [&batch[..], &transposes].concat(), groups)
        }
        Form::Plain => {
            one("linalg/matmul", vec![], [&batch[..], &transposes].concat(), (e.batch * e.m * e.n).div_ceil(64))
        }
    }
}

/// Numbers by the names that a shader has for them.
type Named<T> = Vec<(&'static str, T)>;

/// How op(A) and op(B) are read by tiles, and what of them is constant.
fn places(e: &MatMulExtents) -> (Named<u32>, Named<f64>) {
    let a = if e.transpose_a { Quads::Flat.fitting(e.m) } else { Quads::Deep.fitting(e.k) };
    let b = if e.transpose_b { Quads::Deep.fitting(e.k) } else { Quads::Flat.fitting(e.n) };
    let transposes = [("TA", e.transpose_a as u32), ("TB", e.transpose_b as u32)];
    let constants =
        vec![("K", e.k as f64), ("BATCHED_A", e.batched_a as u8 as f64), ("BATCHED_B", e.batched_b as u8 as f64)];
    ([access(a, b, None, e.n), transposes.to_vec()].concat(), constants)
}

fn by_tiles(e: &MatMulExtents, tile: Tile) -> Lowering {
    let (defines, constants) = places(e);
    tile.launch("linalg/matmul_tiles", [e.batch, e.m, e.n], defines, constants, Operand::Out(0)).into()
}

/// Lines are rows of op(A) and columns of op(B).
fn factors(e: &MatMulExtents) -> [Factor; 2] {
    let lines = |batched: bool, lines: usize, apart: bool| {
        let (line_pitch, pitch) = if apart { (e.k, 1) } else { (1, lines) };
        let sets = if batched { e.batch } else { 1 };
        Factor::Floats(Lines { sets, lines, depth: e.k, set_pitch: lines * e.k, line_pitch, pitch })
    };
    [lines(e.batched_a, e.m, !e.transpose_a), lines(e.batched_b, e.n, e.transpose_b)]
}

fn by_matrices(e: &MatMulExtents, tile: MatrixTile, target: &Target) -> Lowering {
    let (access, constants) = places(e);
    let [a, b] = &factors(e);
    let extents = [e.batch, e.m, e.n];
    let product = Product { shader: "linalg/matmul_matrix", extents, access, constants, a, b };
    tile.launch(target, product, Operand::Out(0), 0)
}
