"""One active run a corpus, across processes, freed by the system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rerankd.training.layout import Layout
from rerankd.training.runs.locks import CorpusLock, Holder, holder_of


def test_a_lock_is_held_once_and_tells_its_holder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert holder_of(layout, "corpus") is None
    lock = CorpusLock.acquire(layout, "corpus")
    assert lock is not None

    lock.tell(Holder(run_id="run", pid=7))

    assert CorpusLock.acquire(layout, "corpus") is None
    assert holder_of(layout, "corpus") == Holder(run_id="run", pid=7)
    assert CorpusLock.acquire(layout, "other") is not None
    lock.release()
    assert holder_of(layout, "corpus") is None


def test_asking_takes_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    first = CorpusLock.acquire(layout, "corpus")
    assert first is not None
    first.release()
    for _ in range(3):
        assert holder_of(layout, "corpus") is None
    assert CorpusLock.acquire(layout, "corpus") is not None


def test_a_child_keeps_the_lock_until_it_dies(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    lock = CorpusLock.acquire(layout, "corpus")
    assert lock is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        pass_fds=(lock.descriptor,),
    )
    lock.tell(Holder(run_id="run", pid=child.pid))
    lock.release()
    assert holder_of(layout, "corpus") == Holder(run_id="run", pid=child.pid)

    child.kill()
    child.communicate()

    assert holder_of(layout, "corpus") is None


def test_a_lock_without_a_word_has_an_unknown_holder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    lock = CorpusLock.acquire(layout, "corpus")

    assert lock is not None
    assert holder_of(layout, "corpus") == Holder(run_id="", pid=0)
    lock.release()
