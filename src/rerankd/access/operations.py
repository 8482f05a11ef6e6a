"""The one table of what a call needs: method or path to scopes.

gRPC methods stand as `/package.Service/Method`, HTTP calls as `METHOD /path`. A service of another room
brings its rows as `Rule`s; a call that no row names needs the scope admin, so that what was forgotten is
closed and not open.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache


class Scope(enum.StrEnum):
    """What a key is for."""

    RERANK = "rerank"
    """Ranking, and reading what there is to rank with."""
    ADMIN = "admin"
    """Warm-ups and changes of the configuration."""
    LEARNING = "learning"
    """Feedback, training, evaluation and promotion of models."""


class Page(enum.Enum):
    """What an operator opens or closes for everybody, one by one."""

    HEALTH = "health"
    REFLECTION = "reflection"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a call needs."""

    scopes: frozenset[Scope] = frozenset()
    """One of these; empty = any key will do."""
    page: Page | None = None
    """Open to everybody where the operator says so."""
    public: bool = False
    """Open to everybody: files that are the same for all and tell nothing of anybody."""
    guarded: bool = False
    """Needs its scope on a server without keys too, which only `admin.token` then gives."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: calls that match the pattern need this."""

    pattern: str
    need: Need


_RERANK = Need(scopes=frozenset({Scope.RERANK}))
_ADMIN = Need(scopes=frozenset({Scope.ADMIN}))
_CHANGE = Need(scopes=frozenset({Scope.ADMIN}), guarded=True)
_LEARNING = Need(scopes=frozenset({Scope.LEARNING}))
_TEACHING = Need(scopes=frozenset({Scope.LEARNING}), guarded=True)
"""What changes something that is learned, takes the processors for minutes, or shows texts of users."""
_ANY_KEY = Need()
_PUBLIC = Need(public=True)
_HEALTH = Need(page=Page.HEALTH)
_REFLECTION = Need(page=Page.REFLECTION)
_METRICS = Need(page=Page.METRICS)

RULES: tuple[Rule, ...] = (
    Rule("/rerankd.v1.RerankService/Rerank", _RERANK),
    Rule("/rerankd.v1.RerankService/RerankStream", _RERANK),
    Rule("/rerankd.v1.RerankService/RerankBatch", _RERANK),
    Rule("/rerankd.v1.RerankService/Status", _ANY_KEY),
    Rule("/rerankd.v1.RerankService/Warmup", _ADMIN),
    Rule("/rerankd.v1.ConfigService/GetRerankingConfig", _ANY_KEY),
    Rule("/rerankd.v1.ConfigService/UpdateRerankingConfig", _CHANGE),
    Rule("/rerankd.training.v1alpha.TrainingService/Get*", _LEARNING),
    Rule("/rerankd.training.v1alpha.TrainingService/List*", _LEARNING),
    Rule("/rerankd.training.v1alpha.TrainingService/Watch*", _LEARNING),
    Rule("/rerankd.training.v1alpha.TrainingService/Compare*", _LEARNING),
    Rule("/rerankd.training.v1alpha.TrainingService/*", _TEACHING),
    Rule("/google.longrunning.Operations/CancelOperation", _TEACHING),
    Rule("/google.longrunning.Operations/*", _LEARNING),
    Rule("/grpc.health.v1.Health/*", _HEALTH),
    Rule("/grpc.reflection.v1.ServerReflection/*", _REFLECTION),
    Rule("/grpc.reflection.v1alpha.ServerReflection/*", _REFLECTION),
    Rule("POST /v2/rerank", _RERANK),
    Rule("POST /v1/rerank", _RERANK),
    Rule("POST /rerank", _RERANK),
    Rule("POST /", _RERANK),
    Rule("POST /invocations", _RERANK),
    Rule("POST /voyage/v1/rerank", _RERANK),
    Rule("POST /api/v1/rerank", _RERANK),
    Rule("POST /api/v1/rerank/batch", _RERANK),
    Rule("POST /api/v1/rerank/stream", _RERANK),
    Rule("GET /v1/models", _ANY_KEY),
    Rule("GET /models", _ANY_KEY),
    Rule("GET /info", _ANY_KEY),
    Rule("GET /api/v1/status", _ANY_KEY),
    Rule("GET /config/reranking", _ANY_KEY),
    Rule("PATCH /config/reranking", _CHANGE),
    Rule("GET /debug/bundle", _CHANGE),
    Rule("GET /reranker/status", _LEARNING),
    Rule("GET /reranker/info", _LEARNING),
    Rule("GET /reranker/corpora", _LEARNING),
    Rule("GET /reranker/costs", _LEARNING),
    Rule("GET /reranker/shadow", _LEARNING),
    Rule("GET /reranker/train/*", _LEARNING),
    Rule("GET /reranker/logs/count", _LEARNING),
    Rule("GET /reranker/triplets/count", _LEARNING),
    Rule("POST /reranker/train/diff", _LEARNING),
    Rule("POST /reranker/score", _LEARNING),
    Rule("* /reranker/*", _TEACHING),
    # The playground is what its user types the key into; what it calls has rows of its own.
    Rule("GET /", _PUBLIC),
    Rule("GET /playground/*", _PUBLIC),
    Rule("GET /health", _HEALTH),
    Rule("GET /health/live", _HEALTH),
    Rule("GET /ping", _HEALTH),
    Rule("GET /openapi.json", _REFLECTION),
    Rule("GET /metrics", _METRICS),
)
"""The first row that matches counts."""


class Operations:
    """Looks calls up in a table."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self._rules = tuple(rules)
        # Callers choose what is asked for, so that not everything can be remembered.
        self.need_of = lru_cache(maxsize=1024)(self._need_of)

    def knows(self, operation: str) -> bool:
        """Whether a row names the operation."""
        return self._rule_of(operation) is not None

    def _need_of(self, operation: str) -> Need:
        rule = self._rule_of(operation)
        return _ADMIN if rule is None else rule.need

    def _rule_of(self, operation: str) -> Rule | None:
        return next((rule for rule in self._rules if fnmatchcase(operation, rule.pattern)), None)


def http_operation(method: str, path: str) -> str:
    """The name of an HTTP call in the table."""
    # HEAD asks for what GET would say, and a slash at the end is only a redirect away.
    return f"{'GET' if method == 'HEAD' else method} {path.rstrip('/') or '/'}"
