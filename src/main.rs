//! The `onebit` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_graphics_libraries();
    onebit::cli::main()
}

/// Wayland's client library, which GL drivers load, complains on standard error when a machine has no desktop session,
/// and calls that an error. Nothing here shows a window.
fn quiet_graphics_libraries() {
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this is the first thing that the program does; it has one thread yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}
