"""Arrays to train on: taken, or named."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import onebit
from onebit._arrays import named
from onebit.errors import ArrayError

X, Y = np.zeros((4, 5, 6), np.uint8), np.arange(4)


@pytest.mark.parametrize(
    "data, said",
    [
        ((X.astype(float), Y), "train images are float64 of shape (4, 5, 6): give uint8"),
        ((np.full((4, 5, 6), np.nan), Y), "120 of them NaN"),
        ((X[:0], Y[:0]), "empty"),
        ((X[0], Y), "of shape (5, 6)"),
        ((np.zeros((4, 3, 8, 8), np.uint8), Y), "transpose(0, 2, 3, 1)"),
        ((X.astype(np.int64), Y), "int64"),
        (([[b"a"]], Y), "plain numbers"),
        ((X, Y[:3]), "one for each of the 4 images"),
        ((X, Y.astype(float)), "whole numbers"),
        ((X, np.array([0, np.nan, 1, 2])), "1 of them NaN"),
        ((X, np.eye(4, dtype=int)), "argmax(1)"),
        ((X, Y - 1), "the label of image 0 is -1"),
        ((X, ["a", "b", "a", "b"]), "numpy.unique"),
        ((X, Y, Y), "3 things"),
        ({"training": (X, Y)}, "give some of train, val, test"),
        ({}, "give some of"),
    ],
)
def test_bad_arrays_are_named(data, said):
    with pytest.raises(ArrayError) as e:
        named(data)
    assert said in str(e.value)


def test_good_arrays_are_taken():
    arrays = named({"train": (X[:, ::-1], Y[:, None]), "test": X[..., None]})
    assert sorted(arrays) == ["x_test", "x_train", "y_train"]
    assert arrays["x_train"].flags.c_contiguous and arrays["y_train"].shape == (4,)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4), fill=st.nothing()),
    st.one_of(
        st.none(),
        hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4), fill=st.nothing()),
        st.lists(st.integers() | st.text() | st.none(), max_size=4),
    ),
)
def test_whatever_is_given_is_taken_or_named(x, y):
    try:
        arrays = named((x, y))
    except ArrayError as e:
        assert "train" in str(e)
    else:
        assert arrays["x_train"].dtype == np.uint8 and arrays["x_train"].size


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.text(max_size=12), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
), min_size=1, max_size=3))
def test_settings_that_are_none_are_errors(settings):
    with pytest.raises((onebit.Error, UnicodeEncodeError)):
        onebit.train(data="/nowhere", settings=settings, progress=False)
