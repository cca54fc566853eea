"""The Korean pages have the English ones' code, their own navigation, Korean pictures and one set of terms."""

import ast
from pathlib import Path
import re

import gluon_deeprnn
import pytest

TOP = Path(gluon_deeprnn.__file__).parent.parent
DOCS = TOP / "docs"
PAGES = sorted((DOCS / "ko").glob("*.md"))
TEXTS = [TOP / "README.ko.md", *PAGES]
CELL = re.compile(r"```\{code-cell\}\n((?::[^\n]*\n)*)(.*?)^```$", re.M | re.S)
LANGUAGE = "%env GLUON_DEEPRNN_LANGUAGE=ko\n"


def text_of(path):
    return path.read_text(encoding="utf-8")


def names(paths):
    return [path.name for path in paths]


def prose(page):
    """A page without its code, its commands and what is quoted from a program."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)
    return re.sub(r"`[^`]*`|^    .*$|^>.*$", "", text, flags=re.M)


def test_the_korean_chapter_has_the_same_code():
    """The same but for the titles of its pictures, and one hidden cell that makes their labels Korean."""
    english, korean = ([code for _, code in CELL.findall(text_of(DOCS / name))] for name in ("chapter.md",
                                                                                              "ko/chapter.md"))
    assert len(english) > 12
    assert korean.pop(0) == LANGUAGE
    assert [re.sub('title="[^"]*"', "", code) for code in english] == [re.sub('title="[^"]*"', "", code)
                                                                        for code in korean]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_picture_that_a_page_draws_has_korean_labels(page):
    cells = CELL.findall(text_of(page))
    drawing = [i for i, (_, code) in enumerate(cells) if "plot_" in code and ".figure" in code]
    korean = [i for i, (_, code) in enumerate(cells) if code == LANGUAGE]
    assert not drawing or (len(korean) == 1 and korean[0] < drawing[0])
    for _, code in cells:
        assert all(re.search("[가-힣]", title) for title in re.findall('title="([^"]*)"', code))


def test_every_file_of_a_picture_is_a_korean_one():
    seen = 0
    for page in TEXTS:
        for name in re.findall(r"[\w./-]*_static/[\w./-]*", text_of(page)):
            seen += 1
            assert "_static/ko/" in name, f"{page}: {name}"
            assert (page.parent / name).exists(), f"{page}: {name}"
    assert seen >= 5
    assert {path.name for path in (DOCS / "_static" / "ko").iterdir()} <= {path.name
                                                                           for path in (DOCS / "_static").iterdir()}


@pytest.mark.parametrize("page", TEXTS, ids=names(TEXTS))
def test_every_picture_is_described_in_korean(page):
    described = re.findall(r"!\[([^\]]*)\]|:alt: (.*)|alt: \"(.*)\"", text_of(page))
    assert all(re.search("[가-힣]", "".join(found)) for found in described)


def test_the_navigation_has_every_page_and_its_english_counterpart():
    source = text_of(DOCS / "_ext" / "korean.py")
    english = ast.literal_eval(re.search(r"^ENGLISH = (\{.*?\})$", source, re.M | re.S)[1])
    assert {f"ko/{page.stem}" for page in PAGES} == english.keys()
    assert all((DOCS / f"{name}.md").exists() for name in english.values())
    listed = re.search(r"```\{toctree\}\n(.*?)```", text_of(DOCS / "ko" / "index.md"), re.S)[1].split("\n\n")[1]
    assert {line.split("<")[-1].rstrip(">") for line in listed.split("\n") if line} == {
        "self", *(page.stem for page in PAGES if page.stem != "index")}
    assert re.search(r'^extensions = \[[^\]]*"korean"', text_of(DOCS / "conf.py"), re.M)


def test_the_english_navigation_has_one_link_to_the_korean_pages():
    listed = re.findall(r"```\{toctree\}\n(.*?)```", text_of(DOCS / "index.md"), re.S)
    entries = [line for toctree in listed for line in toctree.split("\n") if re.search(r"\bko/", line)]
    assert entries == ["한국어 <ko/index>"]


@pytest.mark.parametrize("page", TEXTS, ids=names(TEXTS))
@pytest.mark.parametrize(("term", "instead"), [
    (r"순환 ?층", "순환 레이어"), (r"출력 ?층", "출력 레이어"), (r"(?<!은닉)(?<!심)(?<!다)층", "레이어, 은닉층"),
    ("글자", "문자"), (r"(?<![가-힣])글(?=[은을이로의에과]|$| )", "텍스트"), ("점수", "로짓"),
    ("반복 횟수", "에포크 수"),
    ("잘린 BPTT", "절단된 BPTT"), ("주석으로", "주석 처리된"), ("실행 폴더", "실행 결과 폴더"),
    ("해석해|해석 실행", "명령형으로 실행"), (r"들어오는\s문", "진입점"), ("기울기가 곱", "활성화 함수의 도함수"),
])
def test_the_terms_are_those_of_the_korean_edition(page, term, instead):
    assert not re.search(term, prose(page)), f"{instead}: {re.search(term, prose(page))}"


def test_the_time_that_is_promised_is_the_readmes():
    for page in (TOP / "README.ko.md", DOCS / "ko" / "index.md"):
        opening = " ".join(text_of(page).split("\n\n")[1].split())
        assert "30초" in opening
        assert not re.search(r"\d+분", opening)
