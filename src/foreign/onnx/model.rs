//! The messages of an ONNX file that are read here (onnx.proto3 of the ONNX project), and what a tensor in one holds.

use crate::foreign::Checked;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<Opset>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Opset {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, tag = "2")]
    pub f: f32,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dim {
    #[prost(int64, tag = "1")]
    pub dim_value: i64,
    #[prost(string, tag = "2")]
    pub dim_param: String,
}

/// Kinds of elements, by their numbers in the format.
const FLOAT: i32 = 1;
const INT32: i32 = 6;
const INT64: i32 = 7;
const FLOAT16: i32 = 10;
const DOUBLE: i32 = 11;

/// What a constant holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    pub shape: Vec<usize>,
    pub numbers: Numbers,
}

impl Tensor {
    /// What it holds.
    ///
    /// # Errors
    /// If it lies in another file, is of another kind, or has not as many elements as its extents say.
    pub fn constant(&self) -> Checked<Constant> {
        let name = &self.name;
        if self.data_location == 1 || !self.external_data.is_empty() {
            let file = self.external_data.iter().find(|e| e.key == "location").map_or("another file", |e| &e.value);
            return Err(format!("{name} lies in {file}: export the model with its weights inside"));
        }
        let shape = self.dims.iter().map(|d| usize::try_from(*d).ok()).collect::<Option<Vec<usize>>>();
        let shape = shape.ok_or_else(|| format!("{name} has the extents {:?}", self.dims))?;
        let raw = &self.raw_data;
        fn each<const N: usize, T>(raw: &[u8], f: fn([u8; N]) -> T) -> Vec<T> {
            raw.as_chunks::<N>().0.iter().map(|b| f(*b)).collect()
        }
        let (numbers, width) = match (self.data_type, raw.is_empty()) {
            (FLOAT, true) => (Numbers::Floats(self.float_data.clone()), 1),
            (FLOAT, false) => (Numbers::Floats(each(raw, f32::from_le_bytes)), 4),
            (DOUBLE, true) => (Numbers::Floats(self.double_data.iter().map(|x| *x as f32).collect()), 1),
            (DOUBLE, false) => (Numbers::Floats(each(raw, |b| f64::from_le_bytes(b) as f32)), 8),
            (FLOAT16, true) => {
                let half = |x: &i32| half::f16::from_bits(*x as u16).to_f32();
                (Numbers::Floats(self.int32_data.iter().map(half).collect()), 1)
            }
            (FLOAT16, false) => (Numbers::Floats(each(raw, |b| half::f16::from_le_bytes(b).to_f32())), 2),
            (INT64, true) => (Numbers::Ints(self.int64_data.clone()), 1),
            (INT64, false) => (Numbers::Ints(each(raw, i64::from_le_bytes)), 8),
            (INT32, true) => (Numbers::Ints(self.int32_data.iter().map(|x| i64::from(*x)).collect()), 1),
            (INT32, false) => (Numbers::Ints(each(raw, |b| i64::from(i32::from_le_bytes(b)))), 4),
            (other, _) => return Err(format!("{name} has elements of kind {other}: floats and integers are read")),
        };
        let found = match &numbers {
            Numbers::Floats(v) => v.len(),
            Numbers::Ints(v) => v.len(),
        };
        let wanted = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        if wanted != Some(found) || (!raw.is_empty() && raw.len() != found * width) {
            return Err(format!("{name} has {found} elements for extents {shape:?}"));
        }
        if let Numbers::Floats(v) = &numbers
            && let Some(i) = v.iter().position(|x| !x.is_finite())
        {
            return Err(format!("{name}: element {i} is {} as f32: these weights are of no use", v[i]));
        }
        Ok(Constant { shape, numbers })
    }
}
