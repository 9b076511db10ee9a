"""A binary layer alone, against formulas written out here and, where it is there, PyTorch."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import onebit
import onebit.torch as ot


def conv2d(x, w, stride, padding):
    """A convolution in plain loops, NCHW."""
    n, c, h, width = x.shape
    o, _, k, _ = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((s + 2 * padding - k) // stride + 1 for s in (h, width))
    y = np.zeros((n, o, rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
            y[:, :, i, j] = np.einsum("nckl,ockl->no", window, w)
    return y


def sign(x):
    return np.where(x >= 0, 1.0, -1.0)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_outputs_are_signs_summed_and_scaled():
    x, w = numbers(2, 5, 7, 6), numbers(4, 5, 3, 3, seed=1)
    for stride, padding in [(1, 0), (1, 1), (2, 1)]:
        found = ot.binary_conv2d(x, w, stride=stride, padding=padding)
        alpha = np.abs(w).mean((1, 2, 3))[:, None, None]
        np.testing.assert_allclose(found.y, alpha * conv2d(sign(x), sign(w), stride, padding), rtol=1e-6)
        assert found.grads == {}
    plain = ot.binary_conv2d(x, w, scale="none")
    np.testing.assert_array_equal(plain.y, conv2d(sign(x), sign(w), 1, 0))


def test_gradients_of_a_linear_layer_are_the_chain_rule_and_the_estimators():
    x, w, g = 1.5 * numbers(6, 9), 0.8 * numbers(4, 9, seed=1), numbers(6, 4, seed=2)
    alpha = np.abs(w).mean(1)
    found = ot.binary_linear(x, w, g)
    np.testing.assert_allclose(found.y, sign(x) @ sign(w).T * alpha, rtol=1e-6)
    to_signs = (g * alpha) @ sign(w)
    np.testing.assert_allclose(found.grads["x"], to_signs * (np.abs(x) <= 1), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(found.grads["weight"], (g * alpha).T @ sign(x) * (np.abs(w) <= 1), rtol=1e-5, atol=1e-12)
    polynomial = ot.binary_linear(x, w, g, activation_ste="approx-sign")
    slope = np.clip(2 - 2 * np.abs(x), 0, None)
    np.testing.assert_allclose(polynomial.grads["x"], to_signs * slope, rtol=1e-5, atol=1e-12)


def test_other_parameters_are_wanted_and_have_gradients():
    x, w, g = numbers(2, 3, 5, 5), numbers(4, 3, 3, 3, seed=1), numbers(2, 4, 3, 3, seed=2)
    alpha = np.array([0.5, 1.0, 2.0, -1.0])
    learned = dict(weights="magnitude", scale="learned")
    found = ot.binary_conv2d(x, w, g, parameters={"alpha": alpha}, **learned)
    assert set(found.grads) == {"x", "weight", "alpha"}
    # Outputs are alpha times what the bits sum to.
    np.testing.assert_allclose(found.grads["alpha"], (g * found.y).sum((0, 2, 3)) / alpha, rtol=1e-6)
    with pytest.raises(onebit.errors.ConfigError, match="parameter alpha"):
        ot.binary_conv2d(x, w, **learned)
    with pytest.raises(onebit.errors.ConfigError, match="no parameter alpha"):
        ot.binary_conv2d(x, w, parameters={"alpha": alpha})


@pytest.mark.parametrize(
    "x, w, options, error, said",
    [
        (numbers(2, 3), numbers(2, 3, 3, 3), {}, "ArrayError", "four axes"),
        (np.full((1, 3, 5, 5), np.inf), numbers(2, 3, 3, 3), {}, "ArrayError", "element 0"),
        (np.zeros((1, 3, 5, 5), complex), numbers(2, 3, 3, 3), {}, "ArrayError", "plain numbers"),
        (numbers(1, 3, 5, 5), numbers(2, 4, 3, 3), {}, "ShapeError", "weight"),
        (numbers(1, 3, 2, 2), numbers(2, 3, 3, 3), {}, "ShapeError", "windows of 3"),
        (numbers(1, 3, 5, 5), numbers(2, 3, 3, 3), {"stride": 0}, "ShapeError", "stride = 0"),
        (numbers(1, 3, 5, 5), numbers(2, 3, 3, 3), {"padding": 10**9}, "ShapeError", "padding"),
        (numbers(1, 3, 5, 5), numbers(2, 3, 3, 3), {"grad": numbers(1, 2, 5, 5)}, "ShapeError", "grad"),
        (numbers(1, 3, 5, 5), numbers(2, 3, 3, 3), {"weights": "sine"}, "ConfigError", "scale"),
        (numbers(1, 3, 5, 5), numbers(2, 3, 3, 3), {"activation_ste": "x"}, "ConfigError", "activation_ste"),
        (numbers(1, 3, 5, 5), numbers(2, 3, 3, 3), {"epoch": 2}, "ConfigError", "epoch = 2"),
    ],
)
def test_what_does_not_fit_is_named(x, w, options, error, said):
    with pytest.raises(getattr(onebit.errors, error)) as e:
        ot.binary_conv2d(x, w, **options)
    assert said in str(e.value)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 5), min_size=4, max_size=4), st.lists(st.integers(0, 4), min_size=4, max_size=4),
       st.integers(0, 4), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_sizes_of_all_kinds_are_computed_or_refused(x, w, stride, padding, dilation, groups):
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    try:
        found = ot.binary_conv2d(np.ones(x), np.ones(w), **options)
    except onebit.errors.ShapeError:
        return
    assert found.y.shape[:2] == (x[0], w[0])


def test_own_code_is_checked():
    torch = pytest.importorskip("torch")

    class Sign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return dy * (x.abs() <= 1)

    def layer(x, w):
        alpha = w.detach().abs().mean((1, 2, 3), keepdim=True)
        return torch.nn.functional.conv2d(Sign.apply(x), alpha * Sign.apply(w), padding=1)

    x, w = numbers(2, 6, 5, 5), numbers(4, 6, 3, 3, seed=1)
    apart = ot.check(layer, x, w, padding=1)
    assert set(apart) == {"y", "x", "weight"} and max(apart.values()) < 1e-5
    with pytest.raises(AssertionError, match="gradient of x"):
        ot.check(layer, x, w, padding=1, activation_ste="approx-sign")
    with pytest.raises(AssertionError, match="are stride, padding"):
        ot.check(layer, x, w)
    with pytest.raises(AssertionError, match="outputs"):
        ot.check(lambda x, w: 2 * layer(x, w), x, w, padding=1)


def test_state_dicts_go_both_ways(run, arrays, tmp_path):
    torch = pytest.importorskip("torch")
    state = ot.state_dict(run)
    ours = run.tensors()
    assert all(state[name].shape[1] == ours[name].shape[3] for name in state if state[name].ndim == 4)
    again = onebit.train("fashion-binary", arrays, out=tmp_path / "again", device="cpu", epochs=1, progress=False,
                         start_from=run, settings={"net.widths": [8, 8, 16, 16, 8], "batch": 20})
    assert again.summary is not None
    with pytest.raises(onebit.errors.DataError, match=r"x\.pth"):
        ot.save({"nonsense.weight": torch.zeros(3)}, tmp_path / "x.pth")
    assert not list(tmp_path.glob("*.pth"))
