//! The one error type of the library. Every message names the thing that is wrong (file, key, op,
//! limit), the value that was found, and what to do.

use std::io;
use std::path::PathBuf;

/// What can go wrong in `onebit`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An op got inputs that its shape rule does not allow.
    #[error("{op}: {message}")]
    Shape {
        /// Name of the op.
        op: &'static str,
        /// Both shapes and the rule that they break.
        message: String,
    },
    /// A file or folder that holds bad data.
    #[error("{}: {message}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// The operating system refused a file operation. The message has its answer, so that it is no `source` of this one.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: "read", "create", "write", ...
        action: &'static str,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// A recipe, a setting or a flag that makes no sense.
    #[error("{0}")]
    Config(String),
    /// The device is missing, was lost, or is too small for what was asked.
    #[error("{0}")]
    Device(String),
    /// Something needs more than a device offers: the limit, what is needed and what to do.
    #[error("{0}")]
    Limit(String),
    /// A shader that does not assemble, validate or bind.
    #[error("shader {shader}: {message}")]
    Shader {
        /// Path of the shader below `shaders/`.
        shader: String,
        /// The first thing that is wrong with it.
        message: String,
    },
    /// Training produced a number that is not finite.
    #[error("{0}")]
    NonFinite(String),
}

/// `std::result::Result` with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the system says of a file that may not be as large, with what sets the limit: it names none.
fn with_remedy(cause: io::Error) -> io::Error {
    match cause.kind() {
        io::ErrorKind::FileTooLarge => {
            let m = format!(
                "{cause}: the limit is that of this shell (`ulimit -f unlimited` lifts it) or of the file system"
            );
            io::Error::new(cause.kind(), m)
        }
        _ => cause,
    }
}

impl Error {
    /// A shape error of `op`.
    pub fn shape(op: &'static str, message: impl Into<String>) -> Self {
        Error::Shape { op, message: message.into() }
    }

    /// An error about the content of `path`.
    pub fn data(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Error::Data { path: path.into(), message: message.into() }
    }

    /// Wraps an I/O error with the file and what was tried.
    pub fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Error::Io { path, action, cause: with_remedy(cause) }
    }

    /// What it says, without the path that is told beside it.
    pub fn reason(&self) -> String {
        match self {
            Error::Data { message, .. } => message.clone(),
            Error::Io { action, cause, .. } => format!("cannot {action}: {cause}"),
            other => other.to_string(),
        }
    }
}
