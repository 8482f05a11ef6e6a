"""The log of what was shown, clicked and rated.

`FeedbackLog` is the one writer; `FeedbackReader` reads beside it, from any process.
"""

from rerankd.training.feedback.log import AppendResult, FeedbackLog, LogInUseError, Recovery
from rerankd.training.feedback.purging import Purge, PurgeResult
from rerankd.training.feedback.reader import FeedbackReader
from rerankd.training.feedback.statistics import FeedbackStatistics, NoHit

__all__ = [
    "AppendResult",
    "FeedbackLog",
    "FeedbackReader",
    "FeedbackStatistics",
    "LogInUseError",
    "NoHit",
    "Purge",
    "PurgeResult",
    "Recovery",
]
