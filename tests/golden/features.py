"""Prints the numbers that the tests of src/features compare with: scikit-learn's logistic regression and Gaussian mixture,
NumPy's singular values, and the header of a .npy file.

Run with NumPy and scikit-learn 1: python tests/golden/features.py
"""
import io

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture


def show(name, values):
    print(f"{name}: [" + ", ".join(f"{v:.9f}" for v in np.ravel(values)) + "]")


# logistic.rs: the bias is the weight of a constant feature, so it is penalised; C is 1 over the penalty of the summed loss.
i = np.arange(60)
x = ((7 * i * i + 3 * i) % 41 / 8 - 2).reshape(20, 3)
i = np.arange(20)
y = (i * i + i // 3) % 3
x = np.hstack([x, np.ones((20, 1))])
model = LogisticRegression(C=1 / 0.01, fit_intercept=False, tol=1e-12, max_iter=100000).fit(x, y)
logits = x @ model.coef_.T
entropy = np.log(np.exp(logits).sum(1)) - logits[np.arange(20), y]
show("logistic weights [d + 1, classes]", model.coef_.T)
show("logistic loss", entropy.mean() + 0.01 / 20 / 2 * (model.coef_**2).sum())

# pca.rs
i = np.arange(40)
x = ((5 * i * i + 11 * i) % 37 / 4).reshape(10, 4)
_, singular, components = np.linalg.svd(x - x.mean(0), full_matrices=False)
largest = np.take_along_axis(components, np.abs(components).argmax(1, keepdims=True), 1)
show("pca mean", x.mean(0))
show("pca singular", singular[:3])
show("pca components", (components * np.sign(largest))[:3])

# mixture.rs
i = np.arange(120)
x = ((7 * i * i + 3 * i) % 41 / 8 + np.where(i // 2 % 2 == 0, 9, 0)).reshape(60, 2)
model = GaussianMixture(2, tol=1e-14, max_iter=10000, n_init=10, random_state=0).fit(x)
left = model.means_[:, 0].argmin()
show("mixture log-likelihood", model.score(x))
show("mixture mean", model.means_[left])
show("mixture covariance", model.covariances_[left])

# npy.rs
file = io.BytesIO()
np.save(file, np.zeros((2, 3), np.float32))
print("npy", file.getvalue()[:128])
file = io.BytesIO()
np.save(file, np.zeros(3, np.uint32))
print("npy", file.getvalue()[:128])
