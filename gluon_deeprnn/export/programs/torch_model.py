"""A language model in torch, that continues a text:  python THIS_FILE "It was" --length 300

It reads the parameters and the vocabulary from the .safetensors file of the same name.  It needs torch and safetensors;
a model of words, of texts that were not cleaned, also needs regex.
"""

import argparse
import codecs
import json
from pathlib import Path
import re
from typing import Any, Dict, List, Optional, Tuple
import unicodedata

import safetensors
import torch
from torch import nn

LAYERS = {"rnn_tanh": nn.RNN, "rnn_relu": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class LanguageModel(nn.Module):
    """Recurrent layers between an embedding, or one-hot vectors, of tokens and the logits of the next token."""

    def __init__(self, about: Dict[str, Any]) -> None:
        super().__init__()
        self.about, size, hiddens = about, len(about["tokens"]), about["num_hiddens"]
        width = about["embedding"]
        self.embedding = nn.Embedding(size, width) if width else None
        self.layers = nn.ModuleList()
        for i, cell in enumerate(about["layers"]):
            options = {"nonlinearity": cell[4:]} if cell.startswith("rnn_") else {}
            self.layers.append(LAYERS[cell](hiddens if i else width or size, hiddens, **options))
        upper = range(len(self.layers) - 1) if about["layer_norm"] else ()
        self.norms = nn.ModuleList(nn.LayerNorm(hiddens, eps=about["epsilon"]) for _ in upper)
        self.output = nn.Linear(hiddens * (len(self.layers) if about["skip"] else 1), size)
        if about["tied"] and self.embedding is not None:
            self.output.weight = self.embedding.weight
        num_states = 2 if about["layers"][0] == "lstm" else 1
        self.first_state = nn.Parameter(torch.zeros(num_states, len(self.layers), hiddens))

    def begin_state(self, batch_size: int) -> torch.Tensor:
        """The initial state: (S, L, N, H), of S = 2 arrays for an LSTM, its hidden state and its cell state."""
        return self.first_state[:, :, None].expand(-1, -1, batch_size, -1)

    def forward(self, tokens: torch.Tensor, state: Optional[torch.Tensor] = None) -> Tuple[torch.Tensor, torch.Tensor]:
        """The logits of the token after each of the tokens, (T, N, V), and the state after the last; tokens: (T, N)."""
        state = self.begin_state(tokens.shape[1]) if state is None else state
        if self.embedding is None:
            outputs = nn.functional.one_hot(tokens, len(self.about["tokens"])).to(self.output.weight.dtype)
        else:
            outputs = self.embedding(tokens)
        last, of_layers = [], []
        for i, layer in enumerate(self.layers):
            below = outputs
            if i and self.about["layer_norm"]:
                outputs = self.norms[i - 1](outputs)
            given = tuple(array[i][None].contiguous() for array in state)
            outputs, given = layer(outputs, given if len(given) == 2 else given[0])
            if i and self.about["residual"]:
                outputs = below + outputs
            last.append(torch.cat(given) if len(state) == 2 else given)  # (S, N, H)
            of_layers.append(outputs)
        if self.about["skip"]:
            outputs = torch.cat(of_layers, -1)
        return self.output(outputs), torch.stack(last, 1)

    def encode(self, text: str) -> List[int]:
        """The indices of the tokens of a text, cleaned as the texts that the model was trained on."""
        indices = {token: i for i, token in enumerate(self.about["tokens"])}
        text = cleaned(text, self.about["cleaning"])
        tokens = tokens_of(text, self.about["kind"], self.about.get("pattern", ""))
        if tokens and tokens[0] not in indices and " " + tokens[0] in indices:
            tokens[0] = " " + tokens[0]
        unknown = sorted({token for token in tokens if token not in indices})
        if unknown or not tokens:
            raise ValueError(f"text must be made of tokens in the vocabulary; got {unknown or text!r}")
        return [indices[token] for token in tokens]

    def decode(self, tokens: List[int]) -> str:
        """The text that tokens, by index, are."""
        texts = [self.about["tokens"][i] for i in tokens]
        if self.about["kind"] == "byte":
            known = bytes.fromhex("".join(text for text in texts if len(text) == 2))
            return codecs.decode(known, "utf-8", "replace")
        return "".join(" " + text if self.about["kind"] == "word" else text for text in texts)

    @torch.no_grad()
    def generate(self, prefix: str, length: int, temperature: float = 0.7, seed: int = 0) -> str:
        """Continue a text by sampling; a model of records also begins one, and ends with it."""
        generator = torch.Generator().manual_seed(seed)
        begin, end = self.about["begin"], self.about["end"]
        tokens = ([] if begin is None else [begin]) + (self.encode(prefix) if prefix else [])
        never = [i for i in self.about["special"] if i != end]
        logits, state = self(torch.tensor(tokens)[:, None])
        written = []
        for _ in range(length):
            logits = logits[-1, 0].clone()
            logits[never] = -torch.inf
            if temperature:
                token = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
            else:
                token = logits.argmax()[None]
            if token.item() == end:
                break
            written.append(token.item())
            logits, state = self(token[None], state)
        return prefix + self.decode(written)


def cleaned(text: str, cleaning: Optional[str]) -> str:
    """A text without what the model does not know."""
    if cleaning == "d2l":
        return re.sub("[^A-Za-z]+", " ", text).lower()
    if cleaning == "unicode":
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
        return re.sub(" +", " ", "".join(c if unicodedata.category(c)[0] in "LM" else " " for c in text))
    return unicodedata.normalize("NFC", text) if cleaning == "none" else text


def tokens_of(text: str, kind: str, pattern: str = "") -> List[str]:
    """The tokens of a cleaned text; for some kinds ``pattern`` is an expression of the tokens."""
    if kind == "char":
        return list(text)
    if kind == "byte":
        return [f"{byte:02x}" for byte in text.encode("utf-8", "surrogateescape")]
    if kind == "word":
        return text.split()
    if kind == "word-unicode":
        import regex
        return regex.findall(pattern, text)
    if kind == "word-exact":
        return re.findall(r" ?\w+(?:['\u2019]\w+)*| ?[^\w\s]|\s", text)
    raise ValueError(f"the kind of tokens must be one that this program knows; got {kind!r}")


def load(path: Any) -> LanguageModel:
    """The model in a .safetensors file."""
    with safetensors.safe_open(path, "pt") as file:
        model = LanguageModel(json.loads(file.metadata()["gluon_deeprnn"]))
        model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return model.eval()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", nargs="?", default="", help="the text to continue")
    parser.add_argument("--length", type=int, default=200, help="number of tokens (default 200)")
    parser.add_argument("--temperature", type=float, default=0.7, help="0: the most likely token (default 0.7)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(load(Path(__file__).with_suffix(".safetensors")).generate(**vars(given)))  # noqa: T201
