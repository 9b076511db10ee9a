#!/usr/bin/env bash
# Trains one network in 1, 2 and 4 ranks under MPI, on the CPU device and on software Vulkan, and compares what they write with
# one program's, byte by byte; then ends, stops and misleads ranks. On Debian and Ubuntu it first installs what that needs.
# `tests/mpi.sh mpich` takes MPICH in place of Open MPI. ONEBIT names a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
which=${1:-openmpi}

if command -v apt-get >/dev/null; then
    need=()
    case $which in
    openmpi) command -v mpirun.openmpi >/dev/null && command -v mpicc.openmpi >/dev/null || need+=(openmpi-bin libopenmpi-dev) ;;
    mpich) command -v mpiexec.hydra >/dev/null && command -v mpicc.mpich >/dev/null || need+=(mpich libmpich-dev) ;;
    *)
        echo "$which: this test knows openmpi and mpich" >&2
        exit 2
        ;;
    esac
    ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1 || need+=(libclang-dev)
    find /usr/share/vulkan/icd.d -name '*.json' 2>/dev/null | grep -q . || need+=(mesa-vulkan-drivers libvulkan1)
    if [ ${#need[@]} -gt 0 ]; then
        echo "installing ${need[*]}"
        as_root=$([ "$(id -u)" = 0 ] || echo sudo)
        $as_root apt-get update -qq
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}"
    fi
fi
if [ "$which" = openmpi ]; then
    export MPICC=mpicc.openmpi
    launch=(mpirun.openmpi --oversubscribe --bind-to none)
    [ "$(id -u)" != 0 ] || launch+=(--allow-run-as-root)
else
    export MPICC=mpicc.mpich
    launch=(mpiexec.hydra)
fi
if [ -z "${ONEBIT:-}" ]; then
    # Each MPI has a program of its own.
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/$which
    cargo build --features mpi
    ONEBIT=$CARGO_TARGET_DIR/debug/onebit
fi
onebit=$(realpath "$ONEBIT")
export GALLIVM_PERF=${GALLIVM_PERF-nopt} RAYON_NUM_THREADS=1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

ranks() {
    local n=$1
    shift
    "${launch[@]}" -n "$n" "$onebit" train "$@"
}
small=(--no-tune --epochs 2 --set batch=8 --set "net.widths=[4,4,8,8]" --set data.train_images=80 --set data.val=0.2 --set data.test_images=32 --set eval.batch=8)
fail() {
    echo "FAILED: $*" >&2
    exit 1
}
# What a run leaves, without what was measured of time.
same() {
    cmp "$1/checkpoints/last.safetensors" "$2/checkpoints/last.safetensors" || fail "$2 has other weights than $1"
    cmp "$1/checkpoints/best.safetensors" "$2/checkpoints/best.safetensors" || fail "$2 chose other weights than $1"
    diff <(timeless "$1") <(timeless "$2") || fail "$2 logged something else than $1"
    diff <(grep -v '^device\|^select' "$1/config.toml") <(grep -v '^device\|^select' "$2/config.toml") || fail "$2 has another record than $1"
}
timeless() {
    sed -E 's/"(images_per_second|seconds)":[^,}]*//g' "$1/metrics.jsonl"
}
# `refuses SENTENCE COMMAND...`: ends within 30 seconds, not well, and says so.
refuses() {
    local sentence=$1 began=$SECONDS
    shift
    if "$@" >"$dir/out" 2>&1; then fail "it went on where it should say: $sentence"; fi
    grep -qE "$sentence" "$dir/out" || { cat "$dir/out"; fail "it does not say: $sentence"; }
    [ $((SECONDS - began)) -le 40 ] || fail "it took $((SECONDS - began)) seconds to say: $sentence"
    grep -E "$sentence" "$dir/out" | head -1
}

for device in cpu vulkan; do
    for recipe in small-float small-siman; do
        "$onebit" train $recipe "${small[@]}" --device $device --set accumulate=4 --out "$dir/one-$recipe-$device" -q
        for n in 1 2 4; do
            ranks $n $recipe "${small[@]}" --device $device --set accumulate=$((4 / n)) --out "$dir/$n-$recipe-$device" -q
            same "$dir/one-$recipe-$device" "$dir/$n-$recipe-$device"
            echo "$recipe on $device: $n ranks write the same bytes as one program"
        done
    done
done

echo "stopped, and on with another number of ranks"
kept=$dir/kept
"$onebit" train small-siman "${small[@]}" --set accumulate=4 --device cpu --out "$dir/whole" -q
"$onebit" train --resume --out "$dir/whole" --epochs 4 -q
ranks 2 small-siman "${small[@]}" --set accumulate=2 --device cpu --out "$kept" -q
ranks 4 --resume --out "$kept" --epochs 4 -q
same "$dir/whole" "$kept"
refuses "has 4 batches of 8 images, which 3 ranks cannot share: go on with 1 or 2 or 4 ranks" \
    ranks 3 --resume --out "$kept" --epochs 6

echo "what ranks do not agree on"
two() {
    "${launch[@]}" -n 1 "$onebit" train small-siman "${small[@]}" --device cpu --out "$dir/x" "${@:2}" : \
        -n 1 "$onebit" train small-siman "${small[@]}" --device cpu --out "$dir/x" ${1:+$1}
}
refuses "rank 1 .*has another command than rank 0" two --quiet
cp -r "$dir/one-small-float-cpu" "$dir/seen"
# Rank 1 has an instruction set of its own.
refuses "rank 1 .*has another device than rank 0" "${launch[@]}" \
    -n 1 env ONEBIT_ISA=portable "$onebit" train small-siman "${small[@]}" --device cpu --out "$dir/y" : \
    -n 1 "$onebit" train small-siman "${small[@]}" --device cpu --out "$dir/y"
refuses "mpirun started 2 ranks, and .onebit eval. is for one program" "${launch[@]}" -n 2 "$onebit" eval "$dir/seen"
refuses "ranks train networks by gradients alone" ranks 2 small-mbn --out "$dir/mbn"
refuses "queue.* holds what earlier batches of the same step left there" ranks 2 small-moco "${small[@]}" --device cpu --out "$dir/moco"

echo "a rank that dies, and one that hangs"
long=(small-siman --device cpu --set data.train_images=2000 --set checkpoint.every_steps=2 --epochs 50)
for signal in KILL STOP; do
    run=$dir/$signal
    ranks 2 "${long[@]}" --out "$run" >"$dir/log" 2>&1 &
    launcher=$!
    for _ in $(seq 100); do
        [ -f "$run/checkpoints/last.safetensors" ] && sleep 3 && break
        sleep 0.3
    done
    # The launcher started the ranks after itself.
    pid=$(pgrep -f -n "$onebit train small-siman.*$run")
    began=$SECONDS
    kill -$signal "$pid"
    if wait $launcher; then fail "the run went on without a rank"; fi
    took=$((SECONDS - began))
    [ $took -le 30 ] || fail "it took $took seconds to notice"
    # MPICH's launcher names the process in place of the rank.
    if [ $signal = STOP ]; then told="rank [01] .*has not been heard of"; else told="rank [01]|PID"; fi
    grep -E "$told" "$dir/log" | head -1 || true
    grep -qE "$told" "$dir/log" || { cat "$dir/log"; fail "no rank is named"; }
    echo "$signal: ended after $took seconds"
    pgrep -f "$onebit train small-siman.*$run" >/dev/null && fail "a rank is left" || true
    # What it was ended in is gone on with.
    timeout 20 "$onebit" train --resume --out "$run" --json 2>"$dir/log" | grep -m 1 '"loss"' >"$dir/line" || true
    [ -s "$dir/line" ] || { cat "$dir/log"; fail "the run does not go on"; }
done
echo "all is well with $which"
