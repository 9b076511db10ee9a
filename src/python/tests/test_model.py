"""Packed models: what they give is what the network is, and no array and no file ends the interpreter."""

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import onebit

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def test_what_a_model_says_of_itself(model, run):
    assert model.input == (14, 14, 1) and model.classes == run.classes == ["0", "1"] and model.outputs == 2
    summary = model.summary()
    assert summary["input"] == [14, 14, 1] and summary["layers"][-1]["shape"] == [1, 1, 2]
    assert summary["binary_weights"] > 1000 and "14x14x1" in repr(model)


def test_classes_logits_shares_and_features_belong_together(model, run, arrays):
    images, labels = arrays
    logits = model.logits(images)
    assert logits.shape == (300, 2) and logits.dtype == np.float32
    classes = model.predict(images)
    assert classes.dtype == np.int64 and (classes == logits.argmax(1)).all()
    assert (classes == labels).mean() > 0.95
    shares = model.probabilities(images)
    exact = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(shares, exact / exact.sum(1, keepdims=True), rtol=1e-5)
    # The last layer, by the weights of the checkpoint.
    tensors = run.tensors()
    features = model.features(images)
    assert features.shape == (300, 8)
    by_hand = features @ tensors["fc.weight"].T + tensors["fc.bias"]
    np.testing.assert_allclose(by_hand, logits, rtol=1e-4, atol=1e-5)


def test_any_strides_and_one_image(model, arrays):
    images, _ = arrays
    turned = np.asfortranarray(images)[::-3, :, ::-1]
    assert (model.logits(turned) == model.logits(turned.copy())).all()
    assert (model.logits(images[..., None]) == model.logits(images)).all()
    one = model.logits(images[7])
    assert one.shape == (2,) and (one == model.logits(images)[7]).all()
    assert model.predict(images[7]) == int(one.argmax())
    assert (model.logits(np.broadcast_to(images[7], (5, 14, 14))) == one).all()


def test_threads_of_python_and_of_the_model_change_nothing(model_path, arrays):
    images, _ = arrays
    model = onebit.load(model_path, threads=2)
    wanted = onebit.load(model_path).logits(images)
    found = [None] * 4

    def work(i):
        found[i] = model.logits(images)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((f == wanted).all() for f in found)


@pytest.mark.parametrize(
    "bad, said",
    [
        (lambda x: x.astype(np.float32), "float32"),
        (lambda x: x.astype(np.int32), "int32"),
        (lambda x: x[:0], "there is no image"),
        (lambda x: x[:, :7], "(N, 14, 14, 1)"),
        (lambda x: x[:, None], "put the channels last"),
        (lambda x: x.tolist(), "list is no NumPy array"),
        (lambda x: None, "NoneType"),
        (lambda x: x[0, 0, 0], "no NumPy array"),
    ],
)
def test_bad_arrays_are_named(model, arrays, bad, said):
    for method in (model.predict, model.logits, model.probabilities, model.features):
        with pytest.raises(onebit.errors.ArrayError) as e:
            method(bad(arrays[0]))
        assert said in str(e.value)


@FUZZ
@given(
    hnp.arrays(
        dtype=st.one_of(hnp.scalar_dtypes(), st.just(np.dtype(object)), st.just(np.dtype("S3"))),
        shape=hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=14),
        fill=st.nothing(),
    )
    | st.builds(lambda n, d: np.zeros((n, 14, 14), d), st.integers(0, 3), hnp.scalar_dtypes())
)
def test_no_array_ends_the_interpreter(model, x):
    try:
        assert model.predict(x).shape == (len(x),)
        assert x.dtype == np.uint8
    except onebit.errors.ArrayError as e:
        assert "images" in str(e)


def test_an_array_without_memory_of_its_own_is_not_believed(model):
    many = np.broadcast_to(np.zeros((), np.uint8), (1 << 50, 14, 14))
    stop = threading.Timer(0.5, __import__("_thread").interrupt_main)
    stop.start()
    with pytest.raises((KeyboardInterrupt, onebit.errors.LimitError)):
        model.predict(many)


@FUZZ
@given(data=st.data())
def test_no_file_ends_the_interpreter(model_path, tmp_path_factory, data):
    whole = model_path.read_bytes()
    path = tmp_path_factory.getbasetemp() / "fuzzed.1bit"
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(changed[: data.draw(st.integers(0, len(changed)))])
    if path.read_bytes() == whole:
        return
    with pytest.raises(onebit.errors.DataError) as e:
        onebit.load(path)
    assert str(path) in str(e.value)


def test_files_that_are_none_are_named(tmp_path, model_path):
    for path, error, said in [
        (tmp_path / "none.1bit", onebit.errors.FileError, "No such file"),
        (tmp_path, onebit.errors.DataError, "is not a file"),
        ("a\0b", onebit.errors.FileError, "cannot read"),
    ]:
        with pytest.raises(error) as e:
            onebit.load(path)
        assert said in str(e.value) and isinstance(e.value, onebit.Error)
    for threads in (0, 257):
        with pytest.raises(onebit.errors.ConfigError, match="threads"):
            onebit.load(model_path, threads=threads)


def test_pictures_come_to_the_models_size(model, tmp_path):
    picture = tmp_path / "a.pgm"
    picture.write_bytes(b"P5 28 14 255\n" + bytes(28 * 14))
    image = model.read_image(picture)
    assert image.shape == (14, 14, 1) and image.dtype == np.uint8 and not image.any()
    picture.write_bytes(b"P5 28 14 255\n")
    with pytest.raises(onebit.Error, match="a.pgm"):
        model.read_image(picture)
