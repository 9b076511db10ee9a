"""The Python of the guide's chapter, run from top to bottom in an empty folder."""

from pathlib import Path

CHAPTER = Path(__file__).parents[2] / "guide" / "python.md"


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
