"""A small world to learn in: whether a document answers is said by one word, which BM25 does not see.

The words are those that the tiny tokenizers know.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from rerankd.training.v1alpha import training_service_pb2 as pb
from support.training_material import bert_tokenizer, tiny_bert

RIGHT, WRONG = "green", "what"
_WORDS = ("plant", "food", "light", "river")
_CANDIDATES = 5


def write_world_model(directory: Path) -> Path:
    """A directory that serves and can be fine-tuned: random weights, for transformers and as ONNX."""
    from rerankd.training.export import DevQuery, ModelFacts, export

    model, tokenizer = tiny_bert(dropout=0.0), bert_tokenizer()
    query, texts, _ = question(0)
    dev = [DevQuery(query=query, texts=tuple(texts.values()), labels=(0.0, 0.0, 0.0, 0.0, 1.0))]
    made = directory.with_name(f"{directory.name}-export")
    export(model, tokenizer, made, facts=ModelFacts(id="tiny"), dev=dev, max_tokens=64, threads=1)
    shutil.move(made / "fp32", directory)
    model.save_pretrained(directory / "weights")
    for name in ("model.safetensors", "config.json"):
        shutil.copyfile(directory / "weights" / name, directory / name)
    shutil.rmtree(directory / "weights")
    (directory / "SHA256SUMS").unlink(missing_ok=True)
    return directory


def question(number: int) -> tuple[str, dict[str, str], str]:
    """A query, its documents by id in the order of a bad first stage, and the id of the right one.

    The wrong ones say what was asked oftener than the right one, so that BM25 puts it last. Nobody else says
    it, so that no right document of another query is a candidate.
    """
    dice = random.Random(number)
    name = f"q{number:04}"
    documents = {
        f"{name}-{place}": f"{WRONG} {name} {name} {dice.choice(_WORDS)}" for place in range(_CANDIDATES - 1)
    }
    documents[f"{name}-right"] = f"{RIGHT} {name} {' '.join(dice.choices(_WORDS, k=6))}"
    return f"how is {name}", documents, f"{name}-right"


def events_of(numbers: range, corpus_id: str) -> list[pb.FeedbackEvent]:
    """What users did: each list was shown, and the right document clicked where it stood."""
    events = []
    for number in numbers:
        query, documents, right = question(number)
        request_id = f"request-{number}"
        shown = pb.Shown(
            query=query, documents=[pb.ShownDocument(id=i, text=t) for i, t in documents.items()]
        )
        told = {"request_id": request_id, "corpus_id": corpus_id}
        events.append(pb.FeedbackEvent(event_id=f"shown-{number}", shown=shown, **told))
        click = pb.Click(document_id=right)
        events.append(pb.FeedbackEvent(event_id=f"click-{number}", click=click, **told))
    return events
