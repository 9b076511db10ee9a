//! What is done with features once a network has made them: a linear probe, principal components, clusters, a map to
//! look at, files for others to read, and the choice of the few labels that a low-shot probe sees.
//!
//! All of it works on [`Rows`], sums in f64, and depends on its arguments alone: never on time or the number of threads.

pub mod agglomerative;
mod chain;
pub mod kmeans;
pub mod logistic;
pub mod low_shot;
pub mod map;
pub mod mixture;
pub mod npy;
pub mod one_hot;
pub mod partition;
pub mod pca;
mod rows;

pub use agglomerative::agglomerative;
pub use kmeans::KMeans;
pub use logistic::Probe;
pub use low_shot::low_shot;
pub use map::Map;
pub use mixture::Mixture;
pub use one_hot::OneHotPca;
pub use partition::{clustering_accuracy, normalized_mutual_information};
pub use pca::Pca;
pub use rows::Rows;
