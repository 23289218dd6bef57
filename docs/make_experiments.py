"""Run the experiments and write docs/experiments.md and a page for each; or see whether verdicts still hold.

    python docs/make_experiments.py --data MNIST --file TEXT [NAME ...]
    python docs/make_experiments.py --data MNIST --file TEXT --check [--within SECONDS]

MNIST is a folder of MNIST's files, TEXT an English text of about a megabyte, for the experiments that read
them. What stands in front of the table is left as it is. What a run came to is kept in
docs/experiments/NAME.json, so that one experiment can be run by itself.
With --check nothing is written: as many experiments run side by side as there are CPUs, with a thread each,
and it fails where a claim's verdict is another than the one that is kept, where a statement is made twice,
and where something is kept of an experiment that is none. --within: only those that took no longer when
they were kept, and those of which nothing is.
"""

from __future__ import annotations

import argparse
import inspect
import json
import multiprocessing
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any

import vgcore as vg
from vgcore.experiments import NAMES, module, records

DOCS = Path(__file__).parent
INDEX, PAGES, IMAGES = DOCS / "experiments.md", DOCS / "experiments", DOCS / "images/experiments"
DPI = 72
GIVEN = {"data": "a folder of MNIST's files", "file": "an English text of a megabyte"}
"""What the files are that experiments are given, by the option."""

MARK = "<!-- From here on docs/make_experiments.py writes. -->\n"


def run(name: str, data: Path | None, file: Path | None) -> dict[str, Any]:
    """Run an experiment at its default scale; its record, with the picture as bytes."""
    experiment = module(name)
    given = {"data": data, "file": file}
    options = {
        key: given[key]
        for key in inspect.signature(experiment.run).parameters
        if given.get(key) is not None
    }
    start = time.perf_counter()
    result = experiment.run(**options)
    seconds = time.perf_counter() - start
    called = {key: path.name for key, path in options.items()}
    record = records.record(name, experiment.ABOUT, result, called, seconds)
    del record["measured"]
    return record | {"picture": records.png(result.picture(), DPI)}


def write(name: str, record: dict[str, Any]) -> None:
    """Keep a run, and write its page."""
    picture = record.pop("picture")
    record["date"] = date.today().isoformat()
    for folder in (PAGES, IMAGES):
        folder.mkdir(parents=True, exist_ok=True)
    (IMAGES / f"{name}.png").write_bytes(picture)
    records.write_json(PAGES / f"{name}.json", record)
    (PAGES / f"{name}.md").write_text("\n".join(page(record)) + "\n", encoding="utf-8")


def page(record: dict[str, Any]) -> Iterator[str]:
    """The lines of an experiment's page."""
    name = record["experiment"]
    yield f"# {record['shows']}\n"
    yield f"{record['source']}.\n"
    options = record["options"]
    call = ", ".join([f'"{name}"', *(f'{key}="{value}"' for key, value in options.items())])
    command = " ".join([name, *(f"--{key} {value}" for key, value in options.items())])
    yield f"```python\nimport vgcore as vg\n\nresult = vg.experiments.run({call})\n```\n"
    yield f"On the command line: `vgcore run {command}`. Verdict: **{record['verdict']}**.\n"
    for key, value in options.items():
        yield f"Here `{value}` was {GIVEN[key]}.\n"
    yield f"![{record['shows']}](../images/experiments/{name}.png)\n"
    yield from table(("statement", "published", "measured", "verdict", "why"), claims(record))
    yield "## What is done\n"
    yield f"{inspect.getdoc(module(name))}\n"
    yield "## Numbers\n"
    for each in record["tables"]:
        yield f"{each['title']}:\n"
        yield from table(each["columns"], each["rows"])
    for note in record["notes"]:
        yield f"{note}\n"
    machine = record["machine"]
    yield (
        f"Measured on {record['date']} with vgcore {machine['vgcore']} on {machine['processor']} "
        f"({machine['CPU level']}, {machine['threads']}): {record['seconds']:.0f} seconds.\n"
    )


def claims(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """The claims of a run, as rows."""
    return [tuple(claim.values()) for claim in record["claims"]]


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines of a table."""
    columns = list(columns)
    for row in (columns, ["---"] * len(columns), *rows):
        yield f"| {' | '.join(map(_cell, row))} |"
    yield ""


def _cell(text: str) -> str:
    """A cell's text, as Markdown shows it: within code only a bar is of a table."""
    parts = re.split(r"(`[^`]*`)", text.replace("\n", " "))
    marks = (r"[|*_<]", r"\|")  # of text, and of the code at every second place
    return "".join(re.sub(marks[place % 2], r"\\\g<0>", part) for place, part in enumerate(parts))


def index(kept: dict[str, dict[str, Any]]) -> str:
    """What is written of all experiments."""
    counts = {
        verdict: sum(record["verdict"] == verdict for record in kept.values())
        for verdict in ("reproduces", "in kind", "does not")
    }
    verdicts = ", ".join(f"{count} *{verdict}*" for verdict, count in counts.items() if count)
    all_claims = [claim["verdict"] for record in kept.values() for claim in record["claims"]]
    of_claims = ", ".join(f"{all_claims.count(verdict)} *{verdict}*" for verdict in counts)
    told = (
        f"{MARK}\nOf {len(all_claims)} claims of {len(kept)} experiments: {of_claims}. An experiment's "
        f"verdict is the worst of its claims': {verdicts}.\n\n"
    )
    summary = ["| experiment | shows | verdict | seconds |", "| --- | --- | --- | ---: |"]
    summary += [
        f"| [{name}](experiments/{name}.md) | {record['shows']} | {record['verdict']} "
        f"| {record['seconds']:.0f} |"
        for name, record in kept.items()
    ]
    parts = [told + "\n".join(summary) + "\n"]
    for name, record in kept.items():
        lines = [f"## {name}\n", f"{record['source']}. [The page](experiments/{name}.md).\n"]
        lines += table(("statement", "published", "measured", "verdict", "why"), claims(record))
        parts.append("\n".join(lines))
    machines = {f"{r['machine']['processor']} ({r['machine']['CPU level']})" for r in kept.values()}
    days = sorted(record["date"] for record in kept.values())
    parts.append(f"Measured from {days[0]} to {days[-1]} on {' and '.join(sorted(machines))}.\n")
    return "\n".join(parts)


def read() -> dict[str, dict[str, Any]]:
    """What is kept, in the order of the experiments."""
    paths = {name: PAGES / f"{name}.json" for name in NAMES}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.exists()
    }


def changed(kept: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The verdicts that are others now, in words; those of claims that are new or gone, too."""
    before = {claim["statement"]: claim["verdict"] for claim in kept.get("claims", [])}
    after = {claim["statement"]: claim["verdict"] for claim in now["claims"]}
    measured = {claim["statement"]: claim["measured"] for claim in now["claims"]}
    whole = kept.get("verdict"), now["verdict"]
    told = (
        []
        if whole[0] == whole[1]
        else ["{}, on the whole: {} -> {}".format(now["experiment"], *whole)]
    )
    return told + [
        f"{now['experiment']}: {statement}: {before.get(statement)} -> {after.get(statement)} "
        f"({measured.get(statement)})"
        for statement in before | after
        if before.get(statement) != after.get(statement)
    ]


def strays() -> list[str]:
    """Pages, records and pictures of experiments that there are none of, in words."""
    return [
        f"{path.relative_to(DOCS)}: of no experiment"
        for folder in (PAGES, IMAGES)
        for path in sorted(folder.iterdir())
        if path.stem not in NAMES
    ]


def repeated(record: dict[str, Any]) -> list[str]:
    """Statements that more than one claim makes, of which `changed` would see the last, in words."""
    counts = Counter(claim["statement"] for claim in record["claims"])
    return [
        f"{record['experiment']}: {statement}: stated {count} times"
        for statement, count in counts.items()
        if count > 1
    ]


def check(names: list[str], data: Path | None, file: Path | None) -> list[str]:
    """Run experiments side by side; what has changed, in words."""
    kept, changes = read(), strays()
    cpus = len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cpus, context, vg.set_num_threads, (1,)) as pool:
        jobs = {pool.submit(run, name, data, file): name for name in names}
        for job in as_completed(jobs):
            now = job.result()
            found = changed(kept.get(jobs[job], {}), now) + repeated(now)
            print(
                f"{jobs[job]}: {now['verdict']}, {now['seconds']:.0f} s",
                *found,
                sep="\n  ",
                flush=True,
            )
            changes += found
    return changes


def main() -> None:
    """Write the pages, or check the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments; left out, all")
    parser.add_argument("--data", type=Path, help="folder of MNIST's files")
    parser.add_argument("--file", type=Path, help="an English text; the experiment text needs one")
    parser.add_argument("--check", action="store_true", help="only see whether verdicts still hold")
    parser.add_argument("--within", type=float, metavar="SECONDS", help="only of the quicker ones")
    given = parser.parse_args()
    names = given.names or list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"NAME: expected some of {', '.join(NAMES)}; got {', '.join(unknown)}")
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data: expected a folder, got {given.data}")
    if given.file is None and "text" in names:
        parser.error("--file: expected a text, which the experiment text reads; got none")
    if given.file is not None and not given.file.is_file():
        parser.error(f"--file: expected a file, got {given.file}")
    if given.within is not None:
        kept = read()
        names = [
            name for name in names if kept.get(name, {"seconds": 0})["seconds"] <= given.within
        ]
    if given.check:
        changes = check(names, given.data, given.file)
        sys.exit("What is kept does not hold:\n" + "\n".join(changes) if changes else 0)
    for name in names:
        record = run(name, given.data, given.file)
        print(f"{name}: {record['verdict']}, {record['seconds']:.0f} s", flush=True)
        write(name, record)
        by_hand = INDEX.read_text(encoding="utf-8").partition(MARK)[0]
        INDEX.write_text(by_hand + index(read()), encoding="utf-8")


if __name__ == "__main__":
    main()
