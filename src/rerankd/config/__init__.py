"""Every setting of the server: its name, default, bounds and where its value came from."""

from rerankd.config.access import AuthConfig, TlsConfig
from rerankd.config.delegated import CloudConfig, PluginsConfig, ProviderConfig, RemoteConfig
from rerankd.config.reference import ReferenceRow, reference
from rerankd.config.reranking import RerankingConfig
from rerankd.config.sections import LimitsConfig
from rerankd.config.settings import Config, ConfigError, load, show
from rerankd.config.sources import env_name

__all__ = [
    "AuthConfig",
    "CloudConfig",
    "Config",
    "ConfigError",
    "LimitsConfig",
    "PluginsConfig",
    "ProviderConfig",
    "ReferenceRow",
    "RemoteConfig",
    "RerankingConfig",
    "TlsConfig",
    "env_name",
    "load",
    "reference",
    "show",
]
