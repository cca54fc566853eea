# ruff: noqa: RUF001
"""The programs that are exported split a text into the same tokens as the package."""

import importlib.util
import json
import random
import shutil
import subprocess
import sys
import unicodedata
from unittest import mock

from gluon_deeprnn.data.tokenizers import TOKENIZERS
from gluon_deeprnn.export import html_format, torch_format
import pytest

TEXTS = {
    "English": "It's the  time_1, isn\u2019t it?\r\n\tYes: 3.14, 'no' rock'n'roll \u00bd x\u00b2\u0085\x1c\ufeff end ",
    "German": "Zwölf Boxkämpfer jagen Viktor; Donau\u00addampf\u00adschiff\u00ad, \u201eStra\u00dfe\u201c.",
    "Korean": "운수 좋은 날, 1924년. 한·미 \u1112\u1161\u11ab\u1100\u1173\u11af",
    "Hindi": "हिन्दी में नदी बहुत सुन्दर है। न्\u200dयाय क्\u200cष अर्\u200d १२३",
    "Thai": "ที่นี่ภาษาไทย น้ำ ๑๒๓",
    "Tamil": "தமிழ் மொழி க்ஷ ஸ்ரீ கொ",
    "Malayalam": "മലയാളം അവന്\u200d കണ്ണ്",
    "Hebrew": "שָׁלוֹם עוֹלָם, צה״ל ג׳ון עמ׳ צה\"ל \u200fא",
    "Arabic": "مُحَمَّدٌ رَسُولُ ٱللَّهِ \u06dd١٢ \u0600١٢٣ می\u200cروم خانه\u200cها ـ",
    "Yoruba": "e\u0323\u0300ko\u0323\u0301 o\u0323\u0300ro\u0323\u0300 o\u0323ba\u0300",
    "Chinese": "我喜歡讀書。㊗️ 葛\U000e0100",
    "emoji": "see you 👩\u200d👩\u200d👧 ❤️👍🏽🇰🇷🇩🇪🇫 1️⃣2️⃣#️⃣ 5⃣a ℹ️\u200d👁 🏴\U000e0067\U000e0062\U000e007f\u200d!",
    "nothing but marks": "\u0301\u0301 \u0301a\n\u0301\u200d\u200c \u00a0\u0301 \u093e\u0e33",
}
ALPHABET = "".join(TEXTS.values())
ASSIGNED = [chr(code) for code in range(sys.maxunicode + 1)  # in every version of Unicode since 2002
            if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Co", "Cs")]


def random_texts():
    draw = random.Random(1)
    return ["".join(draw.choices(alphabet, k=length)) for alphabet in (ALPHABET, ASSIGNED)
            for length in range(1, 40) for _ in range(25)]


@pytest.fixture(scope="module")
def texts():
    return [*TEXTS.values(), *map(" ".join, zip(TEXTS.values(), TEXTS.values())), *random_texts()]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_program_in_torch_splits_texts_as_the_package_does(kind, texts):
    """Its part for texts is plain Python."""
    absent = {name: mock.MagicMock() for name in ("torch", "safetensors")}
    absent["torch"].nn.Module = object
    spec = importlib.util.spec_from_file_location("exported", torch_format.PROGRAM)
    program = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, absent):
        spec.loader.exec_module(program)
    pattern = TOKENIZERS[kind].pattern or ""
    assert [program.tokens_of(text, kind, pattern) for text in texts] == list(map(TOKENIZERS[kind].split, texts))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_page_splits_texts_as_the_package_does(kind, texts):
    program = (html_format._PROGRAMS / "model.js").read_text(encoding="utf-8") + """
      const [kind, pattern, texts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
      console.log(JSON.stringify(texts.map((text) => TOKENIZERS[kind](text, pattern).map(([token]) => token))));"""
    given = json.dumps([kind, TOKENIZERS[kind].pattern, texts])
    done = subprocess.run(["node", "-e", program], input=given, capture_output=True, check=True, encoding="utf-8")
    for text, found in zip(texts, json.loads(done.stdout)):
        assert found == TOKENIZERS[kind].split(text), ascii(text)
