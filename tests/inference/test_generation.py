"""Texts of a trained model: what follows a prompt, and what a sequence generator makes of it."""

import inspect
from dataclasses import replace
from typing import Any

import pytest

from seqmodels.data.columns.words import split_words
from seqmodels.data.encode.vocabulary import BYTE_NAMES, decode, decode_pieces, encode
from seqmodels.inference import Model, load
from seqmodels.spec import Spec, Text
from tests.inference.small_runs import WORDS


def test_a_text_goes_on_from_its_prompt(characters):
    trained = load(characters)
    made = trained.generate("to be", length=30, seed=1)
    assert made.startswith("to be")
    assert len(made) == 35
    assert made == trained.generate("to be", length=30, seed=1)
    assert made != trained.generate("to be", length=30, seed=2)
    assert len(trained.generate(length=7)) == 7


@pytest.mark.parametrize("level", ["character", "byte", "word"])
@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_text_in_pieces_is_the_whole_text(level, cut):
    text = "« Être — ou ne pas être ? », 'said' he.\n(To be: $5, or “not”!) 𝄞 "
    known = split_words(text) if level == "word" else text
    names = BYTE_NAMES if level == "byte" else tuple(dict.fromkeys([*known, "<stop>"]))
    spec = Spec("tokens", len(names), "tokens", len(names), "step", names, names, text=Text(level))
    tokens = encode(text, spec).tolist() * 2
    for stop in (None, tokens[20]):
        spec = replace(spec, stop=stop)
        for ends in (len(tokens), -1, -2):  # in the middle of a character's bytes
            given = tokens[:ends]
            pieces = [given[start : start + cut] for start in range(0, len(given), cut)]
            assert "".join(decode_pieces(pieces, spec)) == decode(given, spec)


def test_temperature_zero_is_greedy_whatever_else_is_said(characters):
    trained = load(characters)
    greedy = trained.generate("to be", length=20, temperature=None)
    assert trained.generate("to be", length=20, temperature=0, top_k=3, top_p=0.5, seed=1) == greedy


def test_words_are_joined_as_one_writes_them(words):
    trained = load(words)
    made = trained.generate("to be", length=5, seed=1)
    assert made.startswith("to be ")
    assert not set(made.split()) - {*WORDS, "<unk>"}
    assert trained.generate(length=3, seed=1).split()


def test_refused_prompts_and_options(characters, classifier):
    trained = load(characters)
    with pytest.raises(ValueError, match="1 character \\('é'\\) that the vocabulary"):
        trained.generate("é")
    with pytest.raises(ValueError, match="length must be at least 1"):
        trained.generate("to", length=0)
    with pytest.raises(ValueError, match="beam"):
        trained.generate("to", beam=2)
    with pytest.raises(ValueError, match="predicts labels, not tokens"):
        load(classifier).generate("to")


def test_a_generator_names_its_inputs(generator):
    trained = load(generator)
    assert trained.generate("Greek", seed=1, length=5) == trained.generate("Greek", seed=1, length=5)
    assert isinstance(trained.generate("Greek", beam=2, length=5), str)
    with pytest.raises(ValueError, match=r"one of Greek, Latin, Norse, got ''"):
        trained.generate()
    with pytest.raises(ValueError, match=r"did you mean Latin\?\), got 'Lattin'"):
        trained.generate("Lattin")


def test_the_command_has_the_same_defaults(monkeypatch, characters):
    from seqmodels.cli.verbs import runs

    asked: dict[str, Any] = {}
    monkeypatch.setattr(Model, "generate_pieces", lambda self, **options: asked.update(options) or [])
    assert runs.generate([str(characters)]) == 0
    monkeypatch.undo()
    parameters = inspect.signature(Model.generate).parameters
    assert parameters.keys() == inspect.signature(Model.generate_pieces).parameters.keys()
    assert asked == {name: p.default for name, p in parameters.items() if name != "self"}
