"""Larq Compute Engine on larq-zoo's networks beside onebit on the same ones: images of 224 pixels, one thread, untrained
weights, taking turns; the least time of each.

    python3 -m venv target/larq
    target/larq/bin/pip install tensorflow==2.16.2 tf_keras==2.16.0 larq-compute-engine==0.16.0 larq-zoo==2.4.0 'setuptools<81'
    target/larq/bin/python benches/peer_larq.py [--rounds N] [NAME...]

NAME is a recipe without `imagenet-`. Of Larq's three sets of kernels the one that is fastest in the first round goes on.
"""
import argparse
import contextlib
import io
import os
import re
import subprocess
import time
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import larq
import larq_compute_engine as lce
import larq_zoo
import numpy as np

NETWORKS = {
    "quicknet-small": larq_zoo.sota.QuickNetSmall,
    "quicknet": larq_zoo.sota.QuickNet,
    "quicknet-large": larq_zoo.sota.QuickNetLarge,
    "binarydensenet28": larq_zoo.literature.BinaryDenseNet28,
    "meliusnet22": larq_zoo.literature.MeliusNet22,
    "real-to-binary": larq_zoo.literature.RealToBinaryNet,
}
KERNELS = {
    "default": {},
    "xnnpack": {"use_xnnpack": True},
    "indirect-xnnpack": {"use_xnnpack": True, "use_indirect_bgemm": True},
}
IMAGE = np.random.default_rng(1).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)


def interpreters(name):
    """Larq's own network, by each set of kernels; what larq says of it."""
    model = NETWORKS[name](weights=None, input_shape=(224, 224, 3))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        larq.models.summary(model)
    kept = ("Model size  ", "Number of MACs", "Ratio of MACs")
    lines = [line for line in said.getvalue().splitlines() if any(words in line for words in kept)]
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    says = [f"{trained:,} trainable parameters"] + [" ".join(line.strip("| ").split()) for line in lines]
    flat = lce.convert_keras_model(model)
    made = {kind: lce.testing.Interpreter(flat, num_threads=1, **options) for kind, options in KERNELS.items()}
    return made, ", ".join(says), len(flat)


def larq_ms(interpreter, seconds):
    interpreter.predict(IMAGE)
    least, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        interpreter.predict(IMAGE)
        least = min(least, time.perf_counter() - start)
    return 1e3 * least


def onebit_ms(name):
    command = ["cargo", "bench", "--quiet", "--bench", "edge", "--", "--recipe", "imagenet-" + name]
    run = subprocess.run(command, cwd=Path(__file__).parent.parent, check=True, capture_output=True, text=True)
    size, isa, least = re.search(r": ([\d.]+) MB, (\w+): ([\d.]+) ms", run.stdout).groups()
    return float(least), f"{size} MB, {isa}"


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--seconds", type=float, default=2)
    args.add_argument("names", nargs="*", metavar="NAME", default=list(NETWORKS))
    args = args.parse_args()
    for name in args.names:
        made, said, size = interpreters(name)
        print(f"{name}: larq says {said}; {size / 1e6:.2f} MB as a flatbuffer", flush=True)
        theirs, ours = {}, []
        for _ in range(args.rounds):
            for kind, interpreter in made.items():
                theirs.setdefault(kind, []).append(larq_ms(interpreter, args.seconds))
            best = min(theirs, key=lambda kind: min(theirs[kind]))
            made = {best: made[best]}
            least, which = onebit_ms(name)
            ours.append(least)
        text = ", ".join(f"{kind} {min(all):.2f} ms" for kind, all in theirs.items())
        spread = " ".join(f"{ms:.2f}" for ms in ours)
        print(f"{name}: onebit ({which}) {min(ours):.2f} ms, rounds {spread}; Larq {text}", flush=True)


main()
