"""From a base model to the cross-encoder that is trained. Imported by the worker alone."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder import CrossEncoder
from transformers import PreTrainedTokenizerFast

from rerankd.core.errors import ModelFailedError
from rerankd.training.modeling import load_base
from rerankd.training.runs.base_models import BaseModel

_LEAST_DOCUMENT_TOKENS = 16
"""As the server demands of a query."""

_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Of a Hub repository; no code and no pickles."""


def prepare_base(base: BaseModel, directory: Path) -> None:
    """Puts the base into the run's directory, as transformers reads it, unless it is there already.

    So a run that is resumed starts from the same weights whatever happened to the base since.

    Raises:
        ModelFailedError: The base cannot be trained.
    """
    if (directory / "config.json").is_file():
        return
    source = Path(base.directory) if base.directory else _downloaded(base)
    try:
        model, tokenizer = load_base(source)
    except (RuntimeError, OSError, ValueError) as error:
        # What transformers raises for weights that do not fit, or are none.
        raise ModelFailedError(
            f"base_model {base.name} cannot be opened as a model with one value a pair; worker.log of the "
            "run has the trace"
        ) from error
    if model.config.num_labels != 1:
        raise ModelFailedError(
            f"base_model {base.name} gives {model.config.num_labels} values a pair; one is needed to train it"
        )
    staged = directory.with_name(f"{directory.name}.part")
    model.save_pretrained(staged)
    tokenizer.save_pretrained(staged)
    staged.rename(directory)


def cross_encoder(directory: Path, *, max_length: int, device: str) -> CrossEncoder:
    """The model that is trained; documents are cut where a pair is too long, queries are not."""
    model = CrossEncoder(str(directory), num_labels=1, device=device, local_files_only=True)
    length = longest_pair(model, max_length)
    model.max_seq_length = length
    transformer = cast("Transformer", model[0])
    transformer.processing_kwargs = {"text": {"truncation": "only_second", "max_length": length}}
    # Cards are written by the export; looking the base up on the Hub is nobody's business.
    model.model_card_data.local_files_only = True
    return cast("CrossEncoder", model)


class QueryShortener:
    """Cuts queries so far that they leave a document some room."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._most = max_length - tokenizer.num_special_tokens_to_add(pair=True) - _LEAST_DOCUMENT_TOKENS

    def __call__(self, query: str) -> str:
        """The query, or as many of its tokens as fit."""
        if len(query) <= self._most:
            return query  # No token is shorter than a character.
        encoding = self._tokenizer(query, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoding["offset_mapping"]
        return query if len(offsets) <= self._most else query[: offsets[self._most - 1][1]]


def longest_pair(model: CrossEncoder, max_length: int) -> int:
    """Tokens of the longest pair: what is asked for, or what the model reads."""
    positions = int(getattr(model.config, "max_position_embeddings", 0) or 0)
    first = int(getattr(model.config, "pad_token_id", 0) or 0) + 1
    # RoBERTa's family numbers positions from behind the padding token's id.
    after_padding = "roberta" in str(getattr(model.config, "model_type", ""))
    usable = positions - first if after_padding else positions
    return min(max_length, usable) if usable > 0 else max_length


def _downloaded(base: BaseModel) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        folder = snapshot_download(
            base.repository, revision=base.revision or None, allow_patterns=list(_PATTERNS)
        )
    except RepositoryNotFoundError as error:
        raise ModelFailedError(f"the Hub has no repository {base.repository}") from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelFailedError(f"the weights of {base.repository} cannot be fetched from the Hub") from error
    return Path(folder)
