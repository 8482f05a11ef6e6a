"""Training groups out of feedback and judgments, with negatives that are hard but not false."""

from rerankd.training.mining.groups import read_groups
from rerankd.training.mining.mining import MiningProgress, mine
from rerankd.training.mining.statistics import Histogram, MiningStatistics

__all__ = ["Histogram", "MiningProgress", "MiningStatistics", "mine", "read_groups"]
