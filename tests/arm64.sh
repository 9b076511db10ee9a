#!/usr/bin/env bash
# Runs the runtime of packed models as a program for 64-bit ARM, whose NEON kernels no x86 machine has: its outputs must be
# those of this machine to the bit. On Debian it first installs a cross compiler, qemu and, where rustup has no standard
# library for ARM to give, Debian's newest Rust with one.
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
as_root=$([ "$(id -u)" = 0 ] || echo sudo)
has_std() { [ -d "$("$1" --print target-libdir --target $target 2>/dev/null)" ]; }
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

if ! command -v qemu-aarch64 >/dev/null || ! command -v aarch64-linux-gnu-gcc >/dev/null; then
    $as_root apt-get update -qq
    install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
fi
rustc=${RUSTC:-rustc}
if ! has_std "$rustc" && has_std /usr/bin/rustc; then
    rustc=/usr/bin/rustc
elif ! has_std "$rustc" && ! { command -v rustup >/dev/null && rustup target add $target && has_std "$rustc"; }; then
    rustc=/usr/bin/rustc
    $as_root dpkg --add-architecture arm64
    $as_root apt-get update -qq
    install rustc-web libstd-rust-web-dev:arm64
fi
export ONEBIT_ARM64_RUSTC=$rustc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
exec cargo test --test files -- --ignored arm
