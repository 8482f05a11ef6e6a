"""How good a model is: metrics before and after, with intervals, tests, tables and pictures.

Importing this is cheap: ir-measures, bm25s and matplotlib are loaded where they are first needed.
"""

from __future__ import annotations

from rerankd.training.evaluation.changes import Changes, QueryChange, changes
from rerankd.training.evaluation.comparison import QueryValues, RunComparison, compare, query_values
from rerankd.training.evaluation.evaluation import About, evaluate, evaluate_queries
from rerankd.training.evaluation.judged import (
    FirstStage,
    JudgedCorpus,
    JudgedQueries,
    JudgedQuery,
    judged_queries,
)
from rerankd.training.evaluation.onnx_scorer import OnnxScorer
from rerankd.training.evaluation.report import (
    Estimate,
    EvaluatedQuery,
    EvaluationReport,
    Gain,
    Summary,
    System,
    from_json,
    to_json,
)
from rerankd.training.evaluation.storage import load, save
from rerankd.training.evaluation.summary import summaries, summarise

__all__ = [
    "About",
    "Changes",
    "Estimate",
    "EvaluatedQuery",
    "EvaluationReport",
    "FirstStage",
    "Gain",
    "JudgedCorpus",
    "JudgedQueries",
    "JudgedQuery",
    "OnnxScorer",
    "QueryChange",
    "QueryValues",
    "RunComparison",
    "Summary",
    "System",
    "changes",
    "compare",
    "evaluate",
    "evaluate_queries",
    "from_json",
    "judged_queries",
    "load",
    "query_values",
    "save",
    "summaries",
    "summarise",
    "to_json",
]
