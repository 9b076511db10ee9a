"""Training, what is left of it, and how it is stopped."""

import io
import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest

import onebit
from conftest import SETTINGS


def train(arrays, out, **options):
    options = {"device": "cpu", "epochs": 2, "settings": SETTINGS, "progress": False, **options}
    return onebit.train("fashion-binary", arrays, out=out, **options)


def test_a_run_keeps_what_there_is_to_know(run, arrays):
    assert run.summary["test_accuracy"] > 0.9 and run.summary["epochs"] == 2
    config = run.config
    assert config["epochs"] == 2 and config["net"]["widths"] == SETTINGS["net.widths"]
    assert config["run"]["device"].startswith("cpu")
    metrics = run.metrics
    assert (metrics["epoch"]["epoch"] == [1, 2]).all() and metrics["epoch"]["loss"].dtype == np.float64
    assert list(metrics["layers"]["layer"]) == 2 * ["conv1", "conv2", "conv3", "conv4"]
    assert metrics["layers"]["steps"].dtype == np.int64 and (metrics["layers"]["ones"] < 1).all()
    tensors = run.tensors("last")
    assert tensors["fc.weight"].shape == (2, 8) and tensors["fc.weight"].dtype == np.float32
    confusion = run.confusion()
    assert confusion.shape == (2, 2) and confusion.sum() == run.summary["test_images"]
    assert np.trace(confusion) / confusion.sum() == pytest.approx(run.summary["test_accuracy"])
    assert run.evaluate(part="train")["images"] == run.summary["train_images"]


def test_events_are_told_and_the_same_run_comes_out_again(arrays, run, tmp_path):
    events = []
    shown = io.StringIO()
    again = train(arrays, tmp_path / "again", callbacks=[events.append, onebit.Progress(shown)])
    kinds = [e["event"] for e in events]
    assert kinds[0] == "plan" and kinds[-1] == "summary" and {"train", "epoch", "test"} <= set(kinds)
    assert "epoch   2" in shown.getvalue()
    ours, theirs = run.tensors(), again.tensors()
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_parts_and_images_without_labels(arrays, tmp_path):
    x, y = arrays
    parts = {"train": (x[:200], y[:200]), "val": (x[200:250], y[200:250]), "test": (x[250:], list(y[250:]))}
    run = train(parts, tmp_path / "parts", epochs=1)
    assert (run.summary["train_images"], run.summary["val_images"], run.summary["test_images"]) == (200, 50, 50)
    with pytest.raises(onebit.errors.ConfigError, match="label"):
        train(x, tmp_path / "unlabelled")


def test_the_same_arrays_are_written_once(arrays, tmp_path):
    for name in ("a", "b"):
        train(arrays, tmp_path / name, epochs=1)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["a", "b"]


def test_an_answer_of_false_stops_and_a_run_goes_on(arrays, run, tmp_path):
    stopped = train(arrays, tmp_path / "s", callbacks=lambda e: e["event"] != "train")
    assert stopped.summary is None and "not finished" in repr(stopped)
    finished = onebit.train(resume=stopped, progress=False)
    assert finished.path == stopped.path and finished.summary["epochs"] == 2
    # As if it had never been stopped.
    ours, theirs = run.tensors(), finished.tensors()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    with pytest.raises(onebit.errors.ConfigError, match="resume and seed"):
        onebit.train(resume=stopped, seed=1)


def test_ctrl_c_stops_saves_and_is_raised(arrays, tmp_path):
    def interrupt(event):
        if event["event"] == "train" and not timers:
            timers.append(threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)))
            timers[0].start()

    timers = []
    with pytest.raises(KeyboardInterrupt, match="resume="):
        train(arrays, tmp_path / "c", epochs=1000, callbacks=interrupt)
    run = onebit.Run(tmp_path / "c")
    assert run.summary is None and run.tensors()
    # Python's own handler is still there.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_folder_that_moved_has_its_arrays_with_it(arrays, tmp_path):
    train(arrays, tmp_path / "here" / "a", epochs=1)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = onebit.Run(tmp_path / "there" / "a")
    assert moved.evaluate()["images"] == moved.summary["test_images"] > 0
    assert onebit.export(moved, tmp_path / "m.1bit")
    assert onebit.train(resume=moved, epochs=2, progress=False).summary["epochs"] == 2


def test_what_is_refused_leaves_no_arrays_behind(arrays, tmp_path):
    x, y = arrays
    for call in (lambda: train(x, tmp_path / "a"), lambda: train(arrays, tmp_path / "a", settings={"lrr": 1})):
        with pytest.raises(onebit.Error):
            call()
    assert not list(tmp_path.iterdir())
    with pytest.warns(UserWarning, match="1 of the classes 0 to 2 have no images"):
        train((x, y + 1), tmp_path / "b", epochs=1)


def forked(arrays, out, answers):
    try:
        train(arrays, out)
    except onebit.Error as e:
        answers.put(str(e))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_does_not_wait_for_threads_that_it_has_not(arrays, run, tmp_path):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=forked, args=(arrays, tmp_path / "f", answers))
    child.start()
    assert "spawn" in answers.get(timeout=60)
    child.join()


def test_what_a_callback_raises_is_raised(arrays, tmp_path):
    def fail(event):
        if event["event"] == "train":
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        train(arrays, tmp_path / "e", epochs=1000, callbacks=fail)
    assert onebit.Run(tmp_path / "e").summary is None


def test_what_ships_comes_in_every_form(run, tmp_path):
    said = run.export(tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").is_file() and any("top-1" in line for line in said)
    onebit.export(run, tmp_path / "m.safetensors")
    onebit.export(run, tmp_path / "page", to="web")
    assert (tmp_path / "page" / "index.html").is_file()
    with pytest.raises(onebit.errors.ConfigError, match="by its ending"):
        onebit.export(run, tmp_path / "m.bin")
    with pytest.raises(onebit.errors.ConfigError, match="to = 'x'|to = \"x\""):
        onebit.export(run, tmp_path / "m", to="x")


def test_runs_side_by_side(arrays, run, tmp_path):
    pandas = pytest.importorskip("pandas")
    other = train(arrays, tmp_path / "o", epochs=1, seed=2)
    (tmp_path / "n").mkdir()
    with pytest.warns(UserWarning, match="left out"):
        rows = onebit.compare([run, other, tmp_path / "n"], against=run)
    assert [row["epochs"] for row in rows] == [2, 1] and rows[0]["seeds"] == 1
    assert rows[0]["accuracy"] == pytest.approx(100 * run.summary["test_accuracy"])
    table = pandas.DataFrame(rows)
    assert len(table) == 2 and (table["binary_weights"] > 1000).all()
    with pytest.raises(onebit.errors.ConfigError, match="nothing to compare"):
        onebit.compare(tmp_path / "n")


def test_ranks_of_mpi_do_not_all_train_the_same(arrays, tmp_path, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(onebit.errors.ConfigError, match="mpirun started 2 ranks"):
        train(arrays, tmp_path / "r")


@pytest.mark.parametrize(
    "call, error, said",
    [
        (lambda: onebit.train("fashion-binari"), "ConfigError", "did you mean fashion-binary"),
        (lambda: onebit.train(settings={"lrr": 1}), "ConfigError", "did you mean `lr`"),
        (lambda: onebit.train(settings={"lr": object()}), "ConfigError", "lr is a object"),
        (lambda: onebit.train(settings={"lr": float("nan")}), "ConfigError", "lr"),
        (lambda: onebit.train(data="/nowhere"), "Error", "/nowhere"),
        (lambda: onebit.train(seed=-1), "ConfigError", "seed = -1"),
        (lambda: onebit.train(epochs=1.5), "ConfigError", "epochs = 1.5"),
        (lambda: onebit.train(callbacks=5), "ConfigError", "callbacks = 5"),
        (lambda: onebit.train(device="abacus"), "DeviceError", "there is no device `abacus`"),
        (lambda: onebit.Device("abacus"), "DeviceError", "there is no device `abacus`"),
        (lambda: onebit.Run("/nowhere"), "DataError", "no such run"),
        (lambda: onebit.export("/nowhere", "m.1bit"), "DataError", "/nowhere"),
        (lambda: onebit.evaluate("/nowhere", part="all"), "ConfigError", "choose test, val, train"),
        (lambda: onebit.verify(filter="no such op"), "ConfigError", "no such op"),
    ],
)
def test_errors_are_those_of_the_library(call, error, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(getattr(onebit.errors, error)) as e:
        call()
    assert said in str(e.value)


def test_devices_and_their_check():
    device = onebit.Device("cpu")
    assert device.select == "cpu" and device.name in repr(device) or "cpu" in repr(device)
    assert onebit.devices()["cpu"]["threads"] >= 1
    report = onebit.verify(device, filter="softmax", quick=True)
    assert report["passed"] and all(op["cases"] for d in report["devices"] for op in d["ops"].values())
    assert any(r["default"] for r in onebit.recipes())


def test_a_multilayer_bootstrap_network_is_a_run_too(tmp_path):
    few = {"data.train_images": 300, "data.test_images": 100, "mbn.clusterings": 12, "mbn.first": 150}
    shown, runs = io.StringIO(), []
    for seed in (0, 1):
        runs.append(onebit.train("small-mbn", out=tmp_path / f"m{seed}", device="cpu", seed=seed, settings=few,
                                 progress=False, callbacks=onebit.Progress(shown)))
    assert "layer 1  150 centres" in shown.getvalue()
    run = runs[0]
    tensors = run.tensors()
    assert tensors["points"].shape == (300, 784) and tensors["points"].dtype == np.uint8
    assert tensors["codes.1"].shape == (300, 12) and tensors["codes.1"].max() < 150
    assert run.evaluate()["train"] == run.summary["train"] and run.metrics == {}
    (row,) = onebit.compare(runs)
    assert row["seeds"] == 2 and row["steps"] is None
    assert row["accuracy"] == pytest.approx(50 * sum(r.summary["train"]["accuracy"] for r in runs))
    # There is nothing to go on with.
    assert onebit.train(resume=run, progress=False).path == run.path
    with pytest.raises(onebit.errors.DataError, match="clusters"):
        run.confusion()
