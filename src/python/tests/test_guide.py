"""The Python of README, of the guide's chapter and of the notebook, run from top to bottom in an empty folder."""

import json
import textwrap
from pathlib import Path

import pytest

CHAPTER = Path(__file__).parents[2] / "guide" / "python.md"
README = Path(__file__).parents[3] / "README.md"
NOTEBOOK = Path(__file__).parents[1] / "notebook.ipynb"


def test_the_chapter_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = CHAPTER.read_text()
    blocks = [block.split("\n```")[0] for block in text.split("```python\n")[1:]]
    assert len(blocks) >= 6
    known = {}
    for block in blocks:
        # With lines as in the file, for what goes wrong.
        above = text[: text.index(block)].count("\n")
        exec(compile("\n" * above + block, str(CHAPTER), "exec"), known)


def test_the_notebook_runs(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 8 and all(cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    known = {}
    for cell in cells:
        # The same on fewer images.
        for many, few in [("_images\": 2000", "_images\": 200"), ("_images\": 500", "_images\": 50"), ("0.1}", "0.01}"),
                          ("epochs=4", "epochs=1")]:
            cell = cell.replace(many, few)
        exec(compile(cell, str(NOTEBOOK), "exec"), known)
    assert known["run"].summary["train_images"] == 200 and (tmp_path / "model.1bit").is_file()


def test_the_readme_runs(tmp_path, monkeypatch, arrays):
    monkeypatch.chdir(tmp_path)
    section = README.read_text().split("## From Python\n")[1].split("\n## ")[0]
    block = [line for line in section.splitlines() if line.startswith("    ")]
    assert len(block) == 4
    known = dict(zip(("images", "labels"), arrays))
    exec(compile(textwrap.dedent("\n".join(block)).replace("epochs=5", "epochs=1"), str(README), "exec"), known)
    assert known["run"].summary["epochs"] == 1
