#!/usr/bin/env bash
# What a newcomer does: installs the program from a clean clone, and trains for the first time. Says how long it takes and how large
# the program is.
#
#     tests/install.sh [CARGO INSTALL'S OPTIONS]
set -euo pipefail
cd "$(dirname "$0")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# What is not in the repository is not there for others either.
git clone --quiet . "$place/clone"
began=$SECONDS
cargo install --quiet --locked --path "$place/clone" --root "$place/root" --target-dir "${CARGO_TARGET_DIR:-$place/target}" "$@"
echo "installed in $((SECONDS - began)) s, $(du -h "$place/root/bin/onebit" | cut -f1)"
cd "$place"
"$place/root/bin/onebit" train --device cpu --epochs 1 --set data.train_images=500 --set data.test_images=100
[ -s runs/fashion-binary/summary.json ]
