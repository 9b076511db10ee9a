#!/usr/bin/env bash
# Gives every kernel, as naga writes it for Vulkan, GL and DX12, to compilers that share nothing with naga: the validator of
# SPIR-V, the reference compiler of GLSL, and Microsoft's DXC, which the drivers of Windows are fed by. Needs no GPU. On Debian
# and Ubuntu it first installs the first two; DXC comes in a Python package, below target/.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v spirv-val >/dev/null || ! command -v glslangValidator >/dev/null; then
    as_root=$([ "$(id -u)" = 0 ] || echo sudo)
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends spirv-tools glslang-tools
fi
if [ -z "${ONEBIT_DXC:-}" ]; then
    folder=target/dxc/compushady-0.17.5
    if [ ! -d "$folder" ]; then
        mkdir -p target/dxc
        python3 -m pip download --quiet --no-binary :all: --no-deps --dest target/dxc compushady==0.17.5
        tar -xzf target/dxc/compushady-0.17.5.tar.gz -C target/dxc
    fi
    case $(uname -m) in
    x86_64) ONEBIT_DXC=$PWD/$folder/compushady/backends/libdxcompiler_x86_64.so.3.7 ;;
    aarch64) ONEBIT_DXC=$PWD/$folder/compushady/backends/libdxcompiler_aarch64.so.3.7 ;;
    *) echo "no DXC for $(uname -m): give the path of a libdxcompiler.so as ONEBIT_DXC" >&2 && exit 1 ;;
    esac
fi
export ONEBIT_DXC
exec cargo test --test engine "$@" -- --ignored --nocapture compiler_
