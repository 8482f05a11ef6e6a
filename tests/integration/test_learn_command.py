"""`rerankd learn` without a server: the same service, in the process of the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rerankd.cli._app import app
from rerankd.cli.learn._settings import fill
from rerankd.training.v1alpha import settings_pb2

pytest.importorskip("bm25s", reason="the extra `train` is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus in BEIR layout."""
    made = tmp_path / "beir"
    (made / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{n}", "text": f"document {n} about topic{n % 6}"} for n in range(30)]
    queries = [{"_id": f"q{n}", "text": f"topic{n % 6} number {n}"} for n in range(30)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (made / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ["query-id\tcorpus-id\tscore", *(f"q{n}\td{n}\t1" for n in range(30))]
    (made / "qrels" / "train.tsv").write_text("\n".join(lines) + "\n")
    return made


def learn(tmp_path: Path, *words: str, stdin: str = "") -> Result:
    place = ["--set", f"training.directory={tmp_path / 'learning'}"]
    return CliRunner().invoke(app, ["learn", *words, *place], input=stdin)


def test_from_a_folder_to_groups(tmp_path: Path, folder: Path) -> None:
    imported = learn(tmp_path, "corpus", "import", "docs", str(folder))
    assert (imported.exit_code, imported.stdout) == (0, "30 documents, 30 queries, 30 judgments\n")
    again = learn(tmp_path, "corpus", "import", "docs", str(folder))
    assert again.exit_code == 1
    assert "INVALID_REQUEST" in again.stderr
    listed = json.loads(learn(tmp_path, "corpus", "list", "--json").stdout)
    assert (listed["id"], listed["documents"]) == ("docs", "30")
    mined = learn(tmp_path, "mine", "docs", "--json", "-s", "hard_negatives=bm25", "-s", "random_negatives=1")
    statistics: Any = json.loads(mined.stdout)
    assert int(statistics["triplets"]) > 0
    assert "docs" in learn(tmp_path, "status").stdout
    assert learn(tmp_path, "corpus", "delete", "docs").exit_code == 0
    assert learn(tmp_path, "corpus", "list").stdout == ""


def test_feedback_from_stdin(tmp_path: Path) -> None:
    event = {"eventId": "e", "requestId": "r", "corpusId": "docs", "click": {"documentId": "d"}}
    sent = learn(tmp_path, "feedback", "send", "-", stdin=json.dumps(event) * 1 + "\n")
    assert (sent.exit_code, sent.stdout) == (0, "1 events kept, 0 were known already\n")
    assert json.loads(learn(tmp_path, "feedback", "show").stdout)["events"]["clicked"] == "1"
    gone = learn(tmp_path, "feedback", "purge", "--request", "r")
    assert gone.stdout.startswith("1 events are gone")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "none"], "CORPUS_NOT_FOUND"),
        (["train", "none", "-s", "epochs=0"], "settings.epochs"),
        (["train", "none", "-s", "epocs=1"], "did you mean epochs?"),
        (["train", "none", "-s", "loss=lots"], "must be bce, listwise, distillation"),
        (["train", "none", "--detach"], "--detach needs --server"),
        (["watch", "none"], "RUN_NOT_FOUND"),
        (["promote", "none"], "RUN_NOT_FOUND"),
        (["rollback", "none"], "PROMOTION_REFUSED"),
        (["feedback", "purge"], "INVALID_REQUEST"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, words: list[str], told: str) -> None:
    failed = learn(tmp_path, *words)
    assert failed.exit_code != 0
    assert told in failed.stderr
    assert "Traceback" not in failed.output


def test_a_setting_of_each_kind() -> None:
    run = fill(settings_pb2.RunSettings(), ("loss=bce", "epochs=3", "learning_rate=1e-5", "base_model=m"))
    assert (run.loss, run.epochs, run.learning_rate, run.base_model) == (settings_pb2.LOSS_BCE, 3, 1e-5, "m")
    mining = fill(settings_pb2.MiningSettings(), ("hard_negatives=bm25,model",))
    assert list(mining.hard_negatives) == [
        settings_pb2.NEGATIVE_SOURCE_BM25,
        settings_pb2.NEGATIVE_SOURCE_MODEL,
    ]
