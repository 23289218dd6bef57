"""Programs of published benchmarks that train badly, made again, each with a healthy twin.

A file for each table: gradients.py (A), feedforward.py (B; its convolutional programs and those of which only
patches are published have files of their own), recurrent.py (C), dense.py (D), injected.py (E).
"""

from programs import convolutional, dense, feedforward, gradients, injected, patched, recurrent
from programs.program import FORMS, Data, Form, Program, Run

__all__ = ["FORMS", "PROGRAMS", "TABLES", "Data", "Form", "Program", "Run"]

TABLES = ("A", "B", "C", "D", "E")

PROGRAMS: dict[str, Program] = {
    program.id: program
    for program in (
        *gradients.PROGRAMS,
        *feedforward.PROGRAMS,
        *patched.PROGRAMS,
        *convolutional.PROGRAMS,
        *recurrent.PROGRAMS,
        *dense.PROGRAMS,
        *injected.PROGRAMS,
    )
}
"""All of them, by id."""
