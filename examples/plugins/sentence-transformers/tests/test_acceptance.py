"""What rerankd demands of a plugin; run it with pytest where the package is installed with `[test]`."""

from __future__ import annotations

from rerankd_sentence_transformers import CrossEncoderPlugin

from rerankd.backends.testing import PluginAcceptance


class TestCrossEncoderPlugin(PluginAcceptance):
    entry_point = "sentence-transformers"
    # Padding to the longest document of a call moves float32 scores by this much.
    tolerance = 1e-4

    def make_plugin(self) -> CrossEncoderPlugin:
        return CrossEncoderPlugin()
