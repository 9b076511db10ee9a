"""Tiny sets in the formats that src/data/readers reads, and what their own libraries read of them (expected.json).

After make_cifar.py: python3 make.py, with numpy, pyarrow, datasets, webdataset and Pillow.
"""
import glob
import io
import json
import os
import pickle
import shutil
import zlib

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import webdataset as wds
from PIL import Image

expected = {}


def pixels(shape, start):
    return ((np.arange(np.prod(shape)) * 5 + start) % 253).astype(np.uint8).reshape(shape)


def png(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def note(name, classes, **parts):
    """What a set holds: classes, and of each part the class of each image and the CRC-32 of its pixels, HWC."""
    of = lambda images, labels: {
        "labels": [None if l is None else int(l) for l in labels],
        "pixels": [zlib.crc32(np.ascontiguousarray(i).tobytes()) for i in images],
    }
    expected[name] = {"classes": classes, "parts": {part: of(*found) for part, found in parts.items()}}


# ---- CIFAR in the Python version -----------------------------------------------------------------------------------

def cifar(files, key):
    images, labels = [], []
    for file in files:
        with open(file, "rb") as f:
            batch = pickle.load(f, encoding="latin1")
        images += list(batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels += list(batch[key])
    return images, labels


def names(file, key):
    with open(file, "rb") as f:
        return pickle.load(f, encoding="latin1")[key]


d = "cifar-10-batches-py/"
note("cifar-10-batches-py", names(d + "batches.meta", "label_names"),
     train=cifar([d + "data_batch_1", d + "data_batch_2"], "labels"), test=cifar([d + "test_batch"], "labels"))
d = "cifar-100-python/"
note("cifar-100-python", names(d + "meta", "fine_label_names"),
     train=cifar([d + "train"], "fine_labels"), test=cifar([d + "test"], "fine_labels"))
# The same by today's Python, in every protocol that it writes arrays in without calling a codec.
for protocol in (3, 4, 5):
    d = f"cifar-10-protocol-{protocol}/"
    os.makedirs(d, exist_ok=True)
    data = pixels((2, 3072), protocol)
    with open(d + "data_batch_1", "wb") as f:
        pickle.dump({"data": data, "labels": np.array([1, 2])}, f, protocol=protocol)
    fallback = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    note(d[:-1], fallback, train=cifar([d + "data_batch_1"], "labels"))

# ---- arrays --------------------------------------------------------------------------------------------------------

numbered = lambda n: [str(i) for i in range(n)]


def npz(file, compressed, **arrays):
    os.makedirs(os.path.dirname(file) or ".", exist_ok=True)
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    with np.load(file) as read:
        return {k: read[k] for k in read.files}


a = npz("pathmnist.npz", True, train_images=pixels((6, 4, 5, 3), 1), train_labels=np.array([[0], [1], [2], [0], [1], [2]], "u1"),
        val_images=pixels((2, 4, 5, 3), 2), val_labels=np.array([[2], [0]], "u1"),
        test_images=pixels((3, 4, 5, 3), 3), test_labels=np.array([[1], [1], [0]], "u1"))
note("pathmnist.npz", numbered(3), **{p: (a[p + "_images"], a[p + "_labels"][:, 0]) for p in ("train", "val", "test")})
a = npz("mnist.npz", False, x_train=pixels((5, 4, 4), 4), y_train=np.array([3, 0, 1, 2, 3], ">i8"),
        x_test=pixels((2, 4, 4), 5), y_test=np.array([0, 3], "<i4"))
note("mnist.npz", numbered(4), **{p: (a["x_" + p], a["y_" + p]) for p in ("train", "test")})
k = {}
for part, n, start in (("train", 4, 6), ("test", 2, 7)):
    imgs = npz(f"k49/k49-{part}-imgs.npz", True, arr_0=pixels((n, 4, 4), start))["arr_0"]
    labels = npz(f"k49/k49-{part}-labels.npz", True, arr_0=np.array([1, 0, 1, 1][:n], "u1"))["arr_0"]
    k[part] = (imgs, labels)
note("k49", numbered(2), **k)
# Channels first, in Fortran order, as single files.
os.makedirs("planes", exist_ok=True)
np.save("planes/X_train.npy", np.asfortranarray(pixels((3, 3, 4, 6), 8)))
np.save("planes/y_train.npy", np.array([1, 0, 0], "u2"))
note("planes", numbered(2), train=(np.load("planes/X_train.npy").transpose(0, 2, 3, 1), np.load("planes/y_train.npy")))

# ---- Parquet -------------------------------------------------------------------------------------------------------


def parquet(files, image, label):
    images, labels = [], []
    for file in files:
        for row in pq.read_table(file).to_pylist():
            images.append(decoded(row[image]["bytes"]))
            labels.append(None if row[label] in (None, -1) else row[label])
    return images, labels


def hugging_face(folder, files, image, features, rows, compression=None):
    os.makedirs(folder, exist_ok=True)
    for file, (start, n) in files.items():
        data = {image: [{"bytes": png(pixels((4, 4, 3), start + i)), "path": f"{i}.png"} for i in range(n)]}
        data |= {column: values(start, n) for column, values in rows.items()}
        datasets.Dataset.from_dict(data, features=features).to_parquet(f"{folder}/{file}")
        if compression:
            pq.write_table(pq.read_table(f"{folder}/{file}"), f"{folder}/{file}", compression=compression)


label = datasets.ClassLabel(names=["cat", "dog"])
features = datasets.Features({"image": datasets.Image(), "label": label})
d = "parquet-shards/data"
files = {"train-00000-of-00002.parquet": (0, 3), "train-00001-of-00002.parquet": (3, 2), "validation-00000-of-00001.parquet": (5, 2)}
hugging_face(d, files, "image", features, {"label": lambda s, n: [(s + i) % 2 for i in range(n)]})
paths = [f"{d}/{f}" for f in sorted(files)]
note("parquet-shards", ["cat", "dog"], train=parquet(paths[:2], "image", "label"), val=parquet(paths[2:], "image", "label"))

names_100 = [f"fine {i}" for i in range(4)], [f"coarse {i}" for i in range(2)]
features = datasets.Features({"img": datasets.Image(), "fine_label": datasets.ClassLabel(names=names_100[0]),
                              "coarse_label": datasets.ClassLabel(names=names_100[1])})
rows = {"fine_label": lambda s, n: [(s + i) % 4 for i in range(n)], "coarse_label": lambda s, n: [(s + i) % 2 for i in range(n)]}
hugging_face("parquet-100/cifar100/train", {"0000.parquet": (10, 4)}, "img", features, rows, compression="zstd")
hugging_face("parquet-100/cifar100/test", {"0000.parquet": (20, 2)}, "img", features, rows, compression="gzip")
d = "parquet-100/cifar100/"
note("parquet-100", names_100[0], train=parquet([d + "train/0000.parquet"], "img", "fine_label"),
     test=parquet([d + "test/0000.parquet"], "img", "fine_label"))

# Without Hugging Face's notes: plain bytes, names as classes, a row without a label and one without an image.
os.makedirs("parquet-plain", exist_ok=True)
images = [png(pixels((4, 4), 30 + i)) for i in range(5)]
table = pa.table({"image": images[:4] + [None], "label": ["b", "a", None, "b", "a"]})
pq.write_table(table, "parquet-plain/train.parquet", compression="snappy", row_group_size=2)
rows = [r for r in pq.read_table("parquet-plain/train.parquet").to_pylist() if r["image"] and r["label"]]
note("parquet-plain", ["a", "b"], train=([decoded(r["image"]) for r in rows], [["a", "b"].index(r["label"]) for r in rows]))

# Pages with checksums, and nothing that would find a changed byte before them.
os.makedirs("parquet-checked", exist_ok=True)
images = [{"bytes": png(np.full((4, 4, 3), (40 * i, 10, 20), np.uint8)), "path": f"{i}.png"} for i in range(4)]
table = pa.table({
    "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    "label": pa.array([0, 1, 1, 0], pa.int64()),
})
pq.write_table(table, "parquet-checked/train.parquet", compression="none", use_dictionary=False, write_statistics=False,
               write_page_checksum=True)
note("parquet-checked", ["0", "1"], train=parquet(["parquet-checked/train.parquet"], "image", "label"))

# ---- WebDataset ----------------------------------------------------------------------------------------------------


def shards(folder, part, n, of_sample):
    os.makedirs(folder, exist_ok=True)
    pattern = f"{folder}/set-{part}-%06d.tar.gz"
    with wds.ShardWriter(pattern, maxcount=2, compress=True, verbose=0) as sink:
        for i in range(n):
            sink.write({"__key__": f"{i:06d}"} | of_sample(i))
    files = sorted(glob.glob(f"{folder}/set-{part}-*"))
    return list(wds.WebDataset(files, shardshuffle=False, empty_check=False))


def sample(start):
    return lambda i: {"png": png(pixels((4, 4, 3), start + i)), "cls": (i * 2) % 5}


read = {p: shards("webdataset", p, n, sample(s)) for p, n, s in (("train", 5, 40), ("val", 2, 50))}
note("webdataset", numbered(5), **{p: ([decoded(s["png"]) for s in r], [int(s["cls"]) for s in r]) for p, r in read.items()})
in_json = lambda i: {"jpg": Image.fromarray(pixels((8, 8, 3), 60 + i)), "json": {"label": i % 2, "more": "x"}}
read = shards("webdataset-json", "train", 3, in_json)
# JPEG is decoded by others elsewhere: here only how many, and their classes.
note("webdataset-json", numbered(2), train=([], [json.loads(s["json"])["label"] for s in read]))

with open("expected.json", "w") as f:
    json.dump(expected, f, indent=1)
shutil.rmtree("__pycache__", ignore_errors=True)
