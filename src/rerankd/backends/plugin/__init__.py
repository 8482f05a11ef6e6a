"""Models of other people's code in this process."""

from rerankd.backends.plugin.backend import PluginBackend
from rerankd.backends.plugin.models import ENTRY_POINTS, PluginModels
from rerankd.backends.plugin.protocol import Plugin, PluginIdentity, identify
from rerankd.backends.plugin.registration import PluginRegister, register_backend

__all__ = [
    "ENTRY_POINTS",
    "Plugin",
    "PluginBackend",
    "PluginIdentity",
    "PluginModels",
    "PluginRegister",
    "identify",
    "register_backend",
]
