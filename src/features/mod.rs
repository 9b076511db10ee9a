//! What is done with features once a network has made them: a linear probe, principal components, clusters, maps, files.

mod kmeans;
mod logistic;
mod low_shot;
mod map;
mod mixture;
mod npy;
mod pca;
mod rows;

pub use kmeans::kmeans;
pub use logistic::Probe;
pub use low_shot::low_shot;
pub use map::draw_map;
pub use mixture::Mixture;
pub use npy::{write_features, write_labels};
pub use pca::Pca;
pub use rows::Rows;
