import builtins
import shutil
import subprocess

from gluon_deeprnn.cli.main import main
import pytest


@pytest.fixture(scope="module")
def bash_script():
    """The completion script of bash."""
    pytest.importorskip("shtab")
    from gluon_deeprnn.cli import completion
    from gluon_deeprnn.cli.main import _parser
    return completion.script(_parser(), "bash")


@pytest.mark.parametrize(("words", "expected"), [
    (["tr"], {"train"}), (["train", "--model", ""], {"rnn", "lstm", "gru", "mgu"}),
    (["train", "--num-h"], {"--num-hiddens"}), (["train", "--recipe", "own"], {"own-text"}),
    (["com"], {"compare"}), (["generate", "--top"], {"--top-k", "--top-p"}), (["train", "--no-tie"], {"--no-tied"})])
def test_bash_completes_commands_options_and_values(words, expected, bash_script):
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    listed = " ".join(f"'{word}'" for word in ["gluon-deeprnn", *words])
    code = (f"{bash_script}\nCOMP_WORDS=({listed}); COMP_CWORD={len(words)}\n_shtab_gluon_deeprnn\n"
            'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected


def test_other_shells_have_a_script_and_unknown_ones_are_refused(capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as stopped:
        main(["--print-completion", "zsh"])
    assert stopped.value.code == 0
    assert "#compdef gluon-deeprnn" in capsys.readouterr().out
    assert main(["--print-completion", "fish"]) == 2
    assert capsys.readouterr().err == (
        "gluon-deeprnn: error: print_completion must be one of bash, zsh, tcsh; got 'fish'\n")


def test_without_shtab_the_error_says_how_to_install_it(monkeypatch, capsys):
    original = builtins.__import__

    def importing(name, *arguments, **options):
        if name == "shtab":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", importing)
    assert main(["--print-completion", "bash"]) == 2
    assert capsys.readouterr().err.endswith("got no module of this name (pip install shtab)\n")
