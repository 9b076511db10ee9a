#!/usr/bin/env bash
# Builds the Python package's wheel, installs it into a Python of its own, and runs its tests there. From a clean clone; on Debian and
# Ubuntu it first installs what a virtual environment needs.
#
#     tests/python.sh               by the dev profile, which compiles faster
#     tests/python.sh --release     as a user installs it
#
# Everything lies below target/: what is compiled is shared with other builds as far as their features are the same.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    command -v apt-get >/dev/null || { echo "python3 lacks venv: install it" >&2; exit 1; }
    as_root=$([ "$(id -u)" = 0 ] || echo sudo)
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
fi
mkdir -p "${CARGO_TARGET_DIR:-target}"
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
venv=$target/python-wheel
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet 'maturin>=1.9,<2' numpy pytest hypothesis pandas matplotlib
# Nothing is built a second time.
export CARGO_INCREMENTAL=0
profile=(--profile dev)
[ "${1:-}" = --release ] && { profile=(--release); shift; }
wheels=$target/wheels
rm -rf "$wheels"
began=$SECONDS
(cd src/python && "$venv/bin/maturin" build "${profile[@]}" -o "$wheels")
echo "the wheel: $(du -h "$wheels"/*.whl | cut -f1), built in $((SECONDS - began)) s"
"$venv/bin/pip" install --quiet --force-reinstall --no-deps "$wheels"/*.whl
# Not with `python -m pytest`: the folder that it would look into has the sources and no native module.
exec "$venv/bin/pytest" -q src/python/tests "$@"
