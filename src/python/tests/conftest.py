"""A tiny run on arrays, and its model, trained once."""

import numpy as np
import pytest

import onebit

SETTINGS = {"net.widths": [8, 8, 16, 16, 8], "batch": 20}


@pytest.fixture(scope="session")
def arrays():
    """Dark and light images of 14 x 14, and which they are."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 2
    images = rng.integers(0, 128, (300, 14, 14)) + 100 * labels[:, None, None]
    return images.astype(np.uint8), labels


@pytest.fixture(scope="session")
def run(arrays, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tiny"
    return onebit.train("fashion-binary", arrays, out=out, device="cpu", epochs=2, settings=SETTINGS, progress=False)


@pytest.fixture(scope="session")
def model_path(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.1bit"
    onebit.export(run, path)
    return path


@pytest.fixture(scope="session")
def model(model_path):
    return onebit.load(model_path)
