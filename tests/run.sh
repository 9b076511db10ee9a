#!/usr/bin/env bash
# Runs all tests. On Debian and Ubuntu it first installs what they need: a software Vulkan driver and
# a software GL driver, so that the GPU tests have a device on a machine without one, Chromium, whose
# WebGPU checks the shaders a second time, and below target/ a Python with onnxruntime, which runs what
# is exported for it, onnx, whose tests of operators are run, Pillow, whose pixels decoded pictures are
# compared with, and TensorBoard, which reads
# what runs log.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
if [ "$(uname -s)" = Linux ] && command -v apt-get >/dev/null; then
    find /usr/share/vulkan/icd.d /etc/vulkan/icd.d -name '*.json' 2>/dev/null | grep -q . || need+=(mesa-vulkan-drivers)
    ldconfig -p | grep -q 'libvulkan\.so\.1' || need+=(libvulkan1)
    ldconfig -p | grep -q 'libEGL\.so\.1' || need+=(libegl1)
    ldconfig -p | grep -q 'libEGL_mesa\.so' || need+=(libegl-mesa0 libgl1-mesa-dri)
    # A Chrome of any name will do; the tests look for the same ones.
    have=${ONEBIT_CHROMIUM:-}
    for name in chromium chromium-browser google-chrome google-chrome-stable chrome microsoft-edge msedge; do
        have=${have:-$(command -v "$name" || true)}
    done
    [ -n "$have" ] || need+=(chromium)
    python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
fi
if [ ${#need[@]} -gt 0 ]; then
    echo "installing ${need[*]}"
    as_root=$([ "$(id -u)" = 0 ] || echo sudo)
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}"
fi
python=${ONEBIT_PYTHON:-target/python/bin/python}
if ! "$python" -c 'import onnx, onnxruntime, PIL, tensorboard' 2>/dev/null; then
    echo "installing onnx, onnxruntime, Pillow and TensorBoard below target/python"
    python3 -m venv target/python
    target/python/bin/pip install --quiet 'onnx==1.18.0' onnxruntime 'pillow>=12' tensorboard
fi
# llvmpipe compiles without its optimiser, which would take most of the time, and is not what is tested.
export GALLIVM_PERF=${GALLIVM_PERF-nopt}
exec cargo test "$@"
