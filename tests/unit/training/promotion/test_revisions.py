"""Revisions on disk: immutable, whole after a crash, pruned but never under a request."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.learned import CORPUS, MODEL, learned_models, tiny

from rerankd.artifacts.directory import DirectoryModel
from rerankd.core.errors import InternalError, ModelFailedError, ModelNotFoundError, PromotionRefusedError
from rerankd.training import placing
from rerankd.training.layout import Layout
from rerankd.training.promotion import Promotion, RevisionStore


@pytest.fixture
def store(tmp_path: Path) -> RevisionStore:
    return RevisionStore(Layout(tmp_path / "learning"), kept_revisions=2)


def promoted(store: RevisionStore, directory: Path, seed: int) -> str:
    revision = store.add(CORPUS, tiny(directory, seed))
    store.point(CORPUS, Promotion(revision=revision, time=float(seed), run_id=f"run-{seed}"))
    return revision


def test_a_revision_is_the_digest_of_its_files(store: RevisionStore, tmp_path: Path) -> None:
    source = tiny(tmp_path, 1)
    (source / "golden_pairs.json").write_text('{"pairs": []}')
    revision = store.add(CORPUS, source)
    kept = store.directory(CORPUS, revision)
    assert revision == DirectoryModel(id="x", directory=kept).load().revision
    assert ":" not in kept.name
    assert (kept / "golden_pairs.json").is_file()
    assert store.add(CORPUS, source) == revision
    assert store.current(CORPUS) is None  # nothing serves it yet
    shutil.rmtree(source)
    assert (kept / "model.onnx").is_file()


def test_history_and_the_way_back(store: RevisionStore, tmp_path: Path) -> None:
    with pytest.raises(PromotionRefusedError, match="no earlier revision"):
        store.previous(CORPUS)
    first, second = promoted(store, tmp_path, 1), promoted(store, tmp_path, 2)
    current = store.current(CORPUS)
    assert current is not None
    assert [p.revision for p in current.history] == [first, second]
    assert current.revision == second
    assert current.history[-1].run_id == "run-2"
    assert store.point(CORPUS, Promotion(revision=second, time=9.0)) == current
    with pytest.raises(PromotionRefusedError, match="somebody else"):
        store.step_back(CORPUS, from_revision=first)
    back = store.step_back(CORPUS, from_revision=second)
    assert back.revision == first
    assert [p.revision for p in back.rolled_back] == [second]
    with pytest.raises(PromotionRefusedError, match="no earlier revision"):
        store.previous(CORPUS)
    assert store.corpora() == [CORPUS]


def test_old_revisions_go_but_none_in_use(store: RevisionStore, tmp_path: Path) -> None:
    revisions = [promoted(store, tmp_path, seed) for seed in range(4)]
    left_by_a_killed_copy = store.directory(CORPUS, revisions[0]).with_name(".half.tmp")
    left_by_a_killed_copy.mkdir()
    removed = store.prune(CORPUS, in_use={revisions[0]})
    assert removed.pop(0) == ".half.tmp"
    assert removed == [store.directory(CORPUS, revisions[1]).name]
    assert all(store.directory(CORPUS, revisions[n]).is_dir() for n in (0, 2, 3))
    assert store.prune(CORPUS) == [store.directory(CORPUS, revisions[0]).name]
    store.step_back(CORPUS, from_revision=revisions[3])
    with pytest.raises(PromotionRefusedError, match="not kept any more"):
        store.previous(CORPUS)


def test_a_crash_leaves_the_old_pointer(
    store: RevisionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = promoted(store, tmp_path, 1)
    second = store.add(CORPUS, tiny(tmp_path, 2))

    def crash(*_: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(placing.os, "replace", crash)
        with pytest.raises(OSError, match="power"):
            store.point(CORPUS, Promotion(revision=second, time=0.0))
    current = store.current(CORPUS)
    assert current is not None
    assert current.revision == first
    third = tiny(tmp_path, 3)
    with monkeypatch.context() as patched:
        patched.setattr(placing.os, "rename", crash)
        with pytest.raises(OSError, match="power"):
            store.add(CORPUS, third)
    folder = store.directory(CORPUS, first).parent
    assert len(list(folder.iterdir())) == 2  # no half of a third one


def test_a_damaged_pointer_is_told(store: RevisionStore, tmp_path: Path) -> None:
    promoted(store, tmp_path, 1)
    pointer = tmp_path / "learning" / "models" / CORPUS / "current.json"
    assert json.loads(pointer.read_text())["history"][0]["run_id"] == "run-1"
    pointer.write_text('{"revision": 3')
    with pytest.raises(InternalError, match=r"current\.json of learning/shop is damaged"):
        store.current(CORPUS)


def test_learned_models_are_a_source(tmp_path: Path) -> None:
    models, opener = learned_models(tmp_path / "learning")
    assert models.find("BAAI/bge-reranker-base") is None
    for name in (MODEL, "learning/", "learning/../evil", "learning/Shop"):
        with pytest.raises(ModelNotFoundError, match="no model was promoted"):
            models.find(name)
    assert models.names() == []
    with pytest.raises(ModelNotFoundError):
        models.load(MODEL, lambda *_: None)
    first, second = promoted(models.store, tmp_path, 1), promoted(models.store, tmp_path, 2)
    assert models.find(MODEL) == MODEL
    assert models.names() == [MODEL]
    backend = models.load(MODEL, lambda *_: None)
    assert (backend.description.id, backend.description.revision) == (MODEL, second)
    earlier = models.load_revision(MODEL, first, lambda *_: None)
    assert earlier.description.revision == first
    assert opener.opened == [second, first]


def test_a_revision_whose_files_were_changed_is_not_served(tmp_path: Path) -> None:
    models, _ = learned_models(tmp_path / "learning")
    revision = promoted(models.store, tmp_path, 1)
    changed = models.store.directory(CORPUS, revision) / "config.json"
    changed.write_text(changed.read_text() + " ")
    with pytest.raises(ModelFailedError, match="its files were changed"):
        models.load(MODEL, lambda *_: None)
