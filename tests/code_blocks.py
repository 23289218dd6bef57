"""The Python code of a Markdown page, run from top to bottom."""

import re


def run(page, folder, monkeypatch):
    """What the blocks of a page leave behind."""
    from matplotlib import pyplot

    monkeypatch.chdir(folder)
    names = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
        source = "\n" * text[: found.start(1)].count("\n") + found[1]  # a traceback tells the line
        exec(compile(source, str(page), "exec"), names)
        pyplot.close("all")
    return names
