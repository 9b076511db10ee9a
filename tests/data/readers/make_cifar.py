"""The pickles of CIFAR in the Python version, as Python 2 wrote them: python2 make_cifar.py, with NumPy 1.16."""
import cPickle
import os

import numpy as np


def images(n, start):
    return ((np.arange(n * 3072, dtype=np.int64) * 7 + start) % 251).astype(np.uint8).reshape(n, 3072)


def write(path, value):
    if not os.path.isdir(os.path.dirname(path)):
        os.makedirs(os.path.dirname(path))
    with open(path, "wb") as f:
        cPickle.dump(value, f, protocol=2)


def ten(n, start, labels, what):
    names = ["%s_%d.png" % (what, i) for i in range(n)]
    return {"data": images(n, start), "labels": labels, "batch_label": what, "filenames": names}


write("cifar-10-batches-py/data_batch_1", ten(2, 0, [9, 3], "training batch 1 of 5"))
write("cifar-10-batches-py/data_batch_2", ten(1, 5, [0], "training batch 2 of 5"))
# In Fortran order, as an array that was turned is pickled.
test = ten(2, 11, [4, 1], "testing batch 1 of 1")
test["data"] = np.asfortranarray(test["data"])
write("cifar-10-batches-py/test_batch", test)
names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
meta = {"num_cases_per_batch": 2, "label_names": [n + "s" for n in names], "num_vis": 3072}
write("cifar-10-batches-py/batches.meta", meta)

for name, n, start in [("train", 2, 20), ("test", 1, 30)]:
    fine, coarse = [99, 7][:n], [19, 0][:n]
    batch = {"data": images(n, start), "fine_labels": fine, "coarse_labels": coarse, "filenames": ["x.png"] * n}
    batch["batch_label"] = name
    write("cifar-100-python/" + name, batch)
meta = {"fine_label_names": ["fine %d" % i for i in range(100)], "coarse_label_names": ["coarse %d" % i for i in range(20)]}
write("cifar-100-python/meta", meta)
