#!/usr/bin/env bash
# Holds `onebit plan` against what ranks take, on machines that are made up: network namespaces of this one, joined by a bridge,
# each with a link of its own of a given rate. Wants Linux, root, iproute2, ping, Python and Open MPI.
#
#     cargo build --release --features mpi
#     ONEBIT=target/release/onebit benches/machines.sh [RATE [RECIPE [TRAIN'S OPTIONS]]]
#     ONEBIT=target/release/onebit benches/machines.sh 1gbit small-siman --set batch=32
#
# Each rank has one thread. On fewer cores than ranks they share them, and so does what plan is measured with: as many at a time.
set -euo pipefail
rate=${1:-1gbit} recipe=${2:-small-siman}
shift $(($# < 2 ? $# : 2))
onebit=$(realpath "${ONEBIT:?names a program that was built with --features mpi}")
export RAYON_NUM_THREADS=1 OMPI_MCA_rmaps_base_oversubscribe=1
# As plan has it: 1gbit is 1Gbit.
bandwidth=$(sed 's/gbit/Gbit/; s/mbit/Mbit/' <<<"$rate")
dir=$(mktemp -d)
bridge=onebit-bridge
clear_away() {
    for i in 0 1 2 3; do ip netns del "onebit$i" 2>/dev/null || true; done
    ip link del $bridge 2>/dev/null || true
    rm -rf "$dir"
}
trap clear_away EXIT

ip link add $bridge type bridge
ip addr add 10.77.0.254/24 dev $bridge
ip link set $bridge up
for i in 0 1 2 3; do
    ip netns add "onebit$i"
    ip link add "onebit-v$i" type veth peer name wire netns "onebit$i"
    ip link set "onebit-v$i" master $bridge up
    ip -n "onebit$i" addr add "10.77.0.$((i + 1))/24" dev wire
    ip -n "onebit$i" link set lo up
    ip -n "onebit$i" link set wire up
    # What it sends waits here; what it hears has waited where it came from.
    ip netns exec "onebit$i" tc qdisc add dev wire root tbf rate "$rate" burst 64kb latency 50ms
done
# In the place of ssh.
cat >"$dir/reach" <<'AGENT'
#!/usr/bin/env bash
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
AGENT
chmod +x "$dir/reach"

# Half of what a message and its answer take.
latency=$(ip netns exec onebit0 ping -q -c 20 -i 0.01 10.77.0.2 | awk -F/ '/^rtt|^round/ { print 500 * $5 "us" }')
echo "$rate a machine, $latency a message, $(nproc) cores here"

train=(train "$recipe" --device cpu --no-tune --epochs 1 "$@")
for n in 2 4; do
    hosts=$(seq -s, -f 'onebit%g:1' 0 $((n - 1)))
    mpirun.openmpi --allow-run-as-root --bind-to none -n $n -H "$hosts" -x RAYON_NUM_THREADS \
        --mca plm_rsh_agent "$dir/reach" --mca plm_rsh_no_tree_spawn 1 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
        --mca oob_tcp_if_include 10.77.0.0/24 \
        "$onebit" "${train[@]}" --out "$dir/run$n" -q
    for i in $(seq $n); do
        "$onebit" plan "$recipe" --device cpu --ranks $n --bandwidth "$bandwidth" --latency "$latency" --steps 9 --json \
            "$@" >"$dir/plan$n.$i" &
    done
    wait
    python3 - "$n" "$dir/run$n/metrics.jsonl" "$dir"/plan$n.* <<'SHOW'
import json, statistics, sys
n, metrics, plans = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
rates = [l["images_per_second"] for l in map(json.loads, open(metrics)) if l["kind"] == "train"]
# The first line has what happens once.
found = statistics.median(rates[1:])
rows = [next(r for r in json.load(open(p))["ranks"] if r["ranks"] == n) for p in plans]
batch = json.load(open(plans[0]))["batch"] * n
mean = lambda key: statistics.mean(r[key] for r in rows)
step = sum(map(mean, ("compute", "exchange", "updates")))
print(f"{n} ranks: plan {1e3 * step:.1f} ms a step ({1e3 * mean('compute'):.1f} compute, {1e3 * mean('exchange'):.1f} exchange, "
      f"{1e3 * mean('updates'):.1f} updates), found {1e3 * batch / found:.1f} ms: {100 * (step * found / batch - 1):+.0f} %")
SHOW
done
