"""Models that other servers score for: a URL that takes pairs, or another rerankd."""

from rerankd.backends.remote.models import RemoteModels
from rerankd.backends.remote.settings import RemoteSettings

__all__ = ["RemoteModels", "RemoteSettings"]
