"""Named corpora in BEIR layout: documents, queries, judgments; and BM25 over them."""

from rerankd.training.corpora.bm25 import Bm25Index, Hits
from rerankd.training.corpora.corpus import Corpus
from rerankd.training.corpora.profile import CorpusProfile, SplitProfile
from rerankd.training.corpora.records import CorpusDocument, CorpusLimits, CorpusQuery, Judgment
from rerankd.training.corpora.splits import SplitRule, query_key
from rerankd.training.corpora.store import CorpusStore
from rerankd.training.corpora.tables import TableSources
from rerankd.training.corpora.writing import ImportReport

__all__ = [
    "Bm25Index",
    "Corpus",
    "CorpusDocument",
    "CorpusLimits",
    "CorpusProfile",
    "CorpusQuery",
    "CorpusStore",
    "Hits",
    "ImportReport",
    "Judgment",
    "SplitProfile",
    "SplitRule",
    "TableSources",
    "query_key",
]
