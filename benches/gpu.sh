#!/usr/bin/env bash
# One visit to a machine with a GPU, in less than eight minutes, with binaries and data that were carried there: correctness,
# what the device can do at best and the shares of that which kernels reach, tuning, training steps of ResNet-18 and
# ResNet-20 beside PyTorch's, memory; at the end all of it as one paragraph of JSON. Nothing is installed or downloaded.
#
#   benches/gpu.sh --onebit target/release/onebit --step target/release/deps/step-HASH
#       [--device SEL]        auto, vulkan, metal, dx12, gl, a number, or part of a name
#       [--torch DIR]         folder with torch_bench.py: PyTorch's steps, where Python has torch
#       [--batches "32 128"]  batch sizes; 32 128 512 1024 if not given
#       [--seconds N]         seconds for all of it; 470 if not given
#       [--out DIR]           where reports are kept; a temporary folder if not given
#
# The binaries are those of  cargo build --release  and  cargo bench --no-run --bench step.  What is not done for lack of time is
# named as left out, in the JSON too: a number that is missing is never one that was 0.
set -uo pipefail

onebit='' step='' device=auto torch='' batches='32 128 512 1024' budget=470 out=''
while [ $# -gt 0 ]; do
    case $1 in
    --onebit | --step | --device | --torch | --batches | --out)
        declare "${1#--}=${2:?$1 wants a value}"
        shift 2
        ;;
    --seconds)
        budget=${2:?--seconds wants a number}
        shift 2
        ;;
    *)
        echo "gpu.sh: $1 is not known; the first lines of the script say what is" >&2
        exit 2
        ;;
    esac
done
for binary in "$onebit" "$step"; do
    [ -x "$binary" ] || { echo "gpu.sh: give --onebit and --step, two programs; '$binary' is none" >&2 && exit 2; }
done
out=${out:-$(mktemp -d)}
mkdir -p "$out"
began=$(date +%s)
left() { echo $((budget - $(date +%s) + began)); }
left_out=() failed=()

# part NAME SECONDS COMMAND...: runs a part if there is time for it, no longer than SECONDS or what is left; its output goes to
# NAME.txt and to the terminal.
part() {
    local name=$1 seconds=$2 now
    shift 2
    now=$(left)
    if [ "$now" -lt 5 ]; then
        echo "== $name: left out for lack of time"
        left_out+=("$name")
        return 1
    fi
    [ "$seconds" -lt "$now" ] || seconds=$now
    echo "== $name (at most $seconds s, $now left)"
    timeout --kill-after=5 "$seconds" "$@" >"$out/$name.txt" 2>"$out/$name.err"
    local code=$?
    cat "$out/$name.txt"
    if [ $code -ne 0 ]; then
        [ $code -lt 124 ] && failed+=("$name") || left_out+=("$name after $seconds s")
        echo "== $name ended with $code"
        tail -n 5 "$out/$name.err"
    fi
    return $code
}

part devices 20 "$onebit" devices
# Short ones first: what a visit is for must not wait for what may take long.
for name in bin-resnet18 resnet18 bin-resnet20 resnet20; do
    # The adapters of the bench are found by part of a name; auto is the first.
    selected=$([ "$device" = auto ] && echo 0 || echo "$device")
    part "step-$name" 60 "$step" --device "$selected" --json --seconds 0.5 --batch "${batches// /,}" "$name"
done
part bench 90 "$onebit" bench --device "$device" --quick --json "$out/bench.json"
part verify 120 "$onebit" verify --device "$device" --quick --json "$out/verify.json"
part tune 60 "$onebit" bench --device "$device" --tune
part bench-tuned 60 "$onebit" bench --device "$device" --quick --baseline "$out/bench.json"
for name in bin-resnet18 resnet18; do
    part "step-tuned-$name" 30 "$step" --device "$selected" --json --seconds 0.5 --batch "${batches// /,}" "$name"
done

# PyTorch last: of one process a case, those that matter most first.
has_torch=false
if [ -n "$torch" ] && python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    has_torch=true
    for batch in $batches; do
        for mode in 'bf16 --channels-last --compile' 'tf32 --channels-last --compile' 'tf32' 'fp32' 'bf16'; do
            for name in bin-resnet18 resnet18 bin-resnet20 resnet20; do
                # shellcheck disable=SC2086
                part "torch-$name-$batch-${mode// /}" 60 python3 "$torch/torch_bench.py" "$name-cifar-train" --batch "$batch" \
                    --device cuda --seconds 1 --precision $mode
            done
        done
    done
fi

# Lines of JSON as a list, and lines of text as a list of strings.
objects() { cat "$@" 2>/dev/null | grep '^{' | paste -sd, -; }
strings() { sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/ /g; s/.*/"&"/' | paste -sd, -; }
echo
printf '{"seconds": %d, "device": "%s", "batches": [%s], "verify": [%s], "steps": [%s], "steps_tuned": [%s], "bench": %s, "torch": %s, "torch_steps": [%s], "left_out": [%s], "failed": [%s]}\n' \
    $(($(date +%s) - began)) "$device" "${batches// /, }" "$(tail -n 1 "$out/verify.txt" 2>/dev/null | strings)" \
    "$(objects "$out"/step-bin-*.txt "$out"/step-resnet*.txt)" "$(objects "$out"/step-tuned-*.txt)" \
    "$(cat "$out/bench.json" 2>/dev/null | tr -d '\n' | grep . || echo null)" \
    "$has_torch" "$(cat "$out"/torch-*.txt 2>/dev/null | strings)" \
    "$(printf '%s\n' "${left_out[@]:-}" | grep . | strings)" "$(printf '%s\n' "${failed[@]:-}" | grep . | strings)" |
    tee "$out/all.json"
[ ${#failed[@]} -eq 0 ]
