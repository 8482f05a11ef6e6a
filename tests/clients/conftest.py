import sys
from pathlib import Path

import pytest
from languages import Client


@pytest.fixture
def client():
    return Client(name="python", probe=[sys.executable, str(Path(__file__).parent / "probe.py")])
