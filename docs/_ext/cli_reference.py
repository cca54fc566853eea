"""The directive ``cli-reference``: the command line as its parser describes it, so that the page is never out of date.

Its argument is the function that runs the program, as ``module:function``.  Each command becomes a section with a list
of its options, which other pages can refer to: ``{option}`gluon-deeprnn train --lr```.
"""

from command_line import parser_of, reference
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.util.nodes import nested_parse_with_titles


class CLIReference(Directive):
    """``.. cli-reference:: module:function``."""

    required_arguments = 1

    def run(self):
        """Sections for the program and for each of its commands."""
        parsed = nodes.section()
        parsed.document = self.state.document
        lines = list(reference(parser_of(self.arguments[0])))
        nested_parse_with_titles(self.state, StringList(lines, source=self.arguments[0]), parsed)
        return parsed.children


def setup(app):
    """Register the directive; the page is read again at every build, as the parser may have changed."""
    app.add_directive("cli-reference", CLIReference)
    app.connect("env-get-outdated", lambda app, env, added, changed, removed: [
        name for name in env.found_docs if name == "cli"])
    return {"parallel_read_safe": True}
