"""Runs of MLflow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from vgcore import _extras, _validate
from vgcore.exchange.loggers.logger import TOLD, Logger, check_fields, settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vgcore.model import Sequential

_AT_ONCE = 1000  # numbers that MLflow takes at once


class MLflow(Logger):
    """Tell a training's numbers and pictures to MLflow.

    What is told, and under which names, is said of `Logger`; histograms are not. Inside
    ``with mlflow.start_run()`` it is told to that run; else to a new one, which ends with the training:
    "FINISHED", or "FAILED" where it was broken off. The network's settings are the run's parameters.

    Parameters
    ----------
    experiment : str, optional
        Name of the experiment that a new run belongs to, which is made if it is not there; left out,
        MLflow's present one.
    run_name : str, optional
        Of a new run.
    fields : iterable of str
        Fields of the flow that are told layer by layer.
    pictures : bool
        Draw the flow when training ends, which needs matplotlib.

    Attributes
    ----------
    run_id : str or None
        Of the run that is told, or was told last.
    """

    def __init__(
        self,
        experiment: str | None = None,
        *,
        run_name: str | None = None,
        fields: Iterable[str] = TOLD,
        pictures: bool = True,
    ) -> None:
        self.experiment = None if experiment is None else _validate.name("experiment", experiment)
        self.run_name = None if run_name is None else _validate.name("run_name", run_name)
        self.fields = check_fields(fields)
        self.pictures = _validate.boolean("pictures", pictures)
        self.run_id: str | None = None
        self._client: Any = None
        self._mine = False

    def for_model(self, place: int) -> MLflow:
        """One of its own, with a run of its own."""
        name = None if self.run_name is None else f"{self.run_name}-{place}"
        return MLflow(self.experiment, run_name=name, fields=self.fields, pictures=self.pictures)

    def open(self, model: Sequential) -> None:
        """Begin a run, or go into the one there is."""
        mlflow = _mlflow()
        self._client = mlflow.MlflowClient()
        run = mlflow.active_run()
        self._mine = run is None
        if self._mine:
            run = mlflow.start_run(run_name=self.run_name, experiment_id=self._experiment_id())
            mlflow.end_run("RUNNING")  # it goes on, but other runs may be made beside it
        self.run_id = run.info.run_id
        if self._mine:
            for name, value in settings(model).items():
                self._client.log_param(self.run_id, name, value)

    def _experiment_id(self) -> str | None:
        if self.experiment is None:
            return None
        found = self._client.get_experiment_by_name(self.experiment)
        return str(
            found.experiment_id if found else self._client.create_experiment(self.experiment)
        )

    def close(self, complete: bool) -> None:
        """End the run, if it is its own."""
        if self._mine:
            self._client.set_terminated(self.run_id, "FINISHED" if complete else "FAILED")
        self._client = None

    def log(self, step: int, name: str, value: float) -> None:
        """Tell a number."""
        self.log_all(step, {name: value})

    def log_all(self, step: int, values: Mapping[str, float]) -> None:
        """Tell numbers of one step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_allowed(name), value, now, step) for name, value in values.items()]
        for first in range(0, len(metrics), _AT_ONCE):
            self._client.log_batch(self.run_id, metrics=metrics[first : first + _AT_ONCE])

    def log_picture(self, step: int, name: str, figure: Figure) -> None:
        """Keep a picture as an artifact."""
        self._client.log_figure(self.run_id, figure, f"pictures/{name}.png")


def _allowed(name: str) -> str:
    """A name of MLflow's: of letters, digits and a few signs."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _mlflow() -> Any:
    with _extras.needing("mlflow", "logs for MLflow need"):
        import mlflow
    return mlflow
