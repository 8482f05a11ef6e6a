"""What a run starts from, by its name and by what is on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.onnx_models import build_model

from rerankd.artifacts.settings import ArtifactSettings
from rerankd.artifacts.store import ArtifactStore
from rerankd.core.errors import ModelNotFoundError
from rerankd.training.layout import Layout
from rerankd.training.runs import BaseModel, base_of_store
from rerankd.training.runs.base_models import trainable


def test_names_lead_to_directories_and_repositories(tmp_path: Path) -> None:
    own = build_model(tmp_path / "own")
    store = ArtifactStore(ArtifactSettings(cache_dir=tmp_path / "cache", local={"own": own}))

    local = base_of_store(store, "own")
    assert (local.name, local.directory, local.repository) == ("own", str(own), "")
    assert local.revision.startswith("sha256:")
    default = base_of_store(store, "default")
    assert default.name == store.canonical("")
    assert (Path(default.directory) / "tokenizer.json").is_file()
    fast = base_of_store(store, "fast")
    assert (fast.directory, fast.repository) == ("", "cross-encoder/ms-marco-MiniLM-L6-v2")
    assert len(fast.revision) == 40
    with pytest.raises(ModelNotFoundError):
        base_of_store(store, "somebody/elses")


def test_a_learned_model_goes_on_from_the_weights_of_its_run(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    served = BaseModel(name="learning/demo", revision="sha256:two", directory="/served")
    for number, revision in enumerate(("one", "two")):
        run = layout.run(f"demo-20260101T00000{number}-abcd")
        (run / "export").mkdir(parents=True)
        parity = {"models": [{"revision": "sha256:other"}, {"revision": f"sha256:{revision}"}]}
        (run / "export" / "parity.json").write_text(json.dumps(parity))
    assert trainable(layout, served) == served

    (run / "model").mkdir()
    (run / "model" / "config.json").touch()

    assert trainable(layout, served).directory == str(run / "model")
    (run / "export" / "parity.json").write_text("[")
    assert trainable(layout, served) == served
