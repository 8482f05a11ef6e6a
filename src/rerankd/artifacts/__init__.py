"""From a model's name to verified files on disk."""

from rerankd.artifacts.files import ModelFiles
from rerankd.artifacts.listing import ModelListing
from rerankd.artifacts.settings import ArtifactSettings
from rerankd.artifacts.store import ArtifactStore

__all__ = ["ArtifactSettings", "ArtifactStore", "ModelFiles", "ModelListing"]
