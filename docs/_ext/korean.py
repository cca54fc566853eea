"""The Korean pages: their language, their own navigation, and their links to the English pages and back.

A page below ``ko/`` says ``lang="ko"``; its sidebar shows the toctree of ``ko/index`` and a link to the English page of
the same subject; the theme's texts are Korean.  On English pages the sidebar has one link, to the Korean page of the
same subject, else to ``ko/index``.  A build whose Korean pages do not say ``lang="ko"`` fails.
"""

from pathlib import Path
import re

from bs4 import BeautifulSoup
from furo.navigation import get_navigation_tree
from sphinx import addnodes
from sphinx.errors import ExtensionError

HOME = "ko/index"
ENGLISH = {"ko/index": "index", "ko/start": "start", "ko/chapter": "chapter", "ko/own-text": "howto/own-text"}
KOREAN = {english: korean for korean, english in ENGLISH.items()}
TEXTS = {"Search": "검색", "Index": "색인", "Next": "다음", "Previous": "이전", "Home": "처음",
         "On this page": "이 페이지의 내용", "Back to top": "맨 위로", "Skip to content": "본문으로 건너뛰기"}


def is_korean(page):
    """Whether a page, by its name, is one of the Korean ones."""
    return page.startswith("ko/")


def korean_navigation(builder, page):
    """The sidebar of a Korean page: the toctrees of ``ko/index``, and the English page."""
    shown = []
    for toctree in builder.env.get_doctree(HOME).findall(addnodes.toctree):
        resolved = builder.env.resolve_toctree(page, builder, toctree, prune=False, titles_only=True,
                                               includehidden=True)
        shown.append(builder.render_partial(resolved)["fragment"])
    link = builder.get_relative_uri(page, ENGLISH[page])
    shown.append(f'<ul><li class="toctree-l1"><a class="reference internal" lang="en" hreflang="en" href="{link}">'
                 "English</a></li></ul>")
    return get_navigation_tree("".join(shown))


def english_navigation(builder, page, tree):
    """The sidebar of an English page: of the Korean pages it keeps one link."""
    soup = BeautifulSoup(tree, "html.parser")
    home = builder.get_relative_uri(page, HOME) if page in builder.env.found_docs else builder.get_target_uri(HOME)
    link = soup.find("a", href=home)
    if link:
        for below in link.find_next_siblings():
            below.decompose()
        link.parent["class"] = "toctree-l1"
        link["lang"] = link["hreflang"] = "ko"
        if page in KOREAN:
            link["href"] = builder.get_relative_uri(page, KOREAN[page])
    return str(soup)


def adapt(app, page, template, context, doctree):
    """Give a page the language, the navigation and the neighbours that it should have."""
    for i, neighbour in ((1, "prev"), (2, "next")):
        other = app.builder.relations.get(page, (None, None, None))[i]
        if other and is_korean(other) != is_korean(page):
            context[neighbour] = None
    if is_korean(page):
        context.update(language="ko", master_doc=HOME, gettext=lambda text: TEXTS.get(text, text),
                       furo_navigation_tree=korean_navigation(app.builder, page))
    else:
        context["furo_navigation_tree"] = english_navigation(app.builder, page, context["furo_navigation_tree"])


def check(app, failure):
    """Fail if a Korean page is not what it should be."""
    if failure or app.builder.format != "html":
        return
    pages = {page for page in app.env.found_docs if is_korean(page)}
    if pages != ENGLISH.keys():
        raise ExtensionError(f"the Korean pages must be those that docs/_ext/korean.py lists; got {sorted(pages)}")
    for page in pages:
        html = Path(app.outdir, app.builder.get_target_uri(page)).read_text(encoding="utf-8")
        if not re.search(r'<html[^>]* lang="ko"', html):
            raise ExtensionError(f'{page} must say lang="ko"')


def setup(app):
    """After the theme has made its own navigation."""
    app.connect("html-page-context", adapt, priority=900)
    app.connect("build-finished", check)
    app.add_css_file("korean.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
