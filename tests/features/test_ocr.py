import sys
import types

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from vsim_tf.errors import UserError
from vsim_tf.features.ocr import FrameOcr


class Engine:
    """Says what colour the first pixel has, as OpenCV would read it."""

    def __init__(self, params):
        assert params == {"Global.log_level": "critical"}

    def __call__(self, picture):
        texts = {(3, 2, 1): ("一", "二"), (6, 5, 4): ("二", "三")}.get(tuple(picture[0, 0].tolist()))
        return types.SimpleNamespace(txts=texts)


def test_lines_are_joined_once_each(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    monkeypatch.setitem(sys.modules, "rapidocr", types.SimpleNamespace(RapidOCR=Engine))
    frames = [np.full((2, 2, 3), colour, np.uint8) for colour in ((1, 2, 3), (0, 0, 0), (4, 5, 6))]
    assert FrameOcr()(frames) == "一二三"
    assert FrameOcr()([]) == ""


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(UserError, match="rapidocr is not installed; `pip install rapidocr onnxruntime`") as error:
        FrameOcr()
    assert error.value.fields == ("ocr",)


def test_a_picture_with_text():
    pytest.importorskip("rapidocr")
    pytest.importorskip("onnxruntime")
    image = Image.new("RGB", (320, 100), "white")
    ImageDraw.Draw(image).text((10, 20), "Hello 2022", fill="black", font=ImageFont.load_default(48))
    assert FrameOcr()([np.asarray(image)] * 2).replace(" ", "") == "Hello2022"
