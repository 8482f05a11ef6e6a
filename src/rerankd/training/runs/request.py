"""request.json: what a run was asked to do. Written once, before its process starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rerankd.config.training import RunConfig
from rerankd.training.durable import replaced_file
from rerankd.training.layout import Layout
from rerankd.training.runs.base_models import BaseModel

FILE = "request.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Everything that a worker needs: a run goes on under another server and another configuration."""

    id: str
    corpus_id: str
    created: float
    """Seconds since the epoch."""
    config: RunConfig
    base: BaseModel
    root: str
    """Directory of the setting `training.directory`."""
    tracking_uri: str = ""
    processes: int = 0
    """Processes that share the batches; 0 = one for each GPU, or one."""
    dataset: Mapping[str, object] = field(default_factory=dict)
    """Profile of the groups."""

    @property
    def layout(self) -> Layout:
        """Where corpora and runs are."""
        return Layout(Path(self.root))

    def write(self, directory: Path) -> None:
        """Keeps it in the run's directory."""
        record = {**asdict(self), "config": self.config.model_dump(mode="json")}
        with replaced_file(directory / FILE) as file:
            file.write(json.dumps(record, indent=2).encode())

    @classmethod
    def read(cls, directory: Path) -> RunRequest:
        """The request of a run.

        Raises:
            OSError, ValueError: There is none, or it is damaged.
        """
        record = json.loads((directory / FILE).read_bytes())
        try:
            config = RunConfig.model_validate(record.pop("config"))
            return cls(config=config, base=BaseModel(**record.pop("base")), **record)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{FILE} is not a run's request: {error}") from error
