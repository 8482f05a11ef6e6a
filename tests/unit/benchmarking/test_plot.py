from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.benchmark_figures import report

from rerankd.benchmarking.plot import draw


def test_an_svg_is_one_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.svg", "other.svg"):
        draw(report(), tmp_path / name)
    root = ElementTree.parse(tmp_path / "one.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


@pytest.mark.parametrize("name", ["picture.png", "picture.PNG"])
def test_a_png_is_one(tmp_path: Path, name: str) -> None:
    draw(report(), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert width > height > 300
