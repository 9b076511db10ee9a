//! Files: data sets and weights that were made elsewhere, and what ships.

#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/golden.rs"]
mod golden;
#[path = "../common/python.rs"]
mod python;

mod archives;
mod edge;
mod embedded;
mod field;
mod foreign;
mod foreign_places;
mod foreign_vit;
mod misleading;
mod mutated;
mod onnx;
mod page;
mod parquet_files;
mod pictures;
mod pillow;
mod readers;
mod records;
mod sets;
mod sizes;
mod streaming;
mod tables;
