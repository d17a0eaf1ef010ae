"""Small models, tasks and batches for the tests of the diagnostics."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.cells import GRUCell, LSTMCell
from seqmodels.heads import EncoderDecoder, ManyToMany, ManyToOne, OneToMany, OneToOne
from seqmodels.layers import Bidirectional, Recurrent, Stack
from seqmodels.model import FeatureEncoder, SequenceModel, TokenEncoder
from seqmodels.spec import Spec
from seqmodels.tasks.base import Task

VOCABULARY = 7


class Classify(Task):
    """Cross entropy for classes or tokens in any shape."""

    target_kinds = ("labels", "tokens")
    target_shapes = ("step", "sequence", "own")

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(prediction.flatten(0, -2), targets.flatten(), reduction="none").view_as(targets)


class Regress(Task):
    """Squared error."""

    target_kinds = ("values",)
    target_shapes = ("step", "sequence", "own")

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        return (prediction - targets).square().mean(-1)


def classify(shape: str) -> Classify:
    return Classify(Spec("tokens", VOCABULARY, "tokens", VOCABULARY, shape))


def batch_for(shape: str, rows: int = 4, steps: int = 10, ragged: bool = True) -> SequenceBatch:
    """Random tokens; with ragged rows the last row is `steps // 2` long."""
    lengths = torch.full((rows,), steps)
    if ragged:
        lengths[-1] = max(1, steps // 2)
    sizes = {"step": (rows, steps), "sequence": (rows,), "own": (rows, 5)}
    targets = torch.randint(VOCABULARY, sizes[shape])
    own = torch.full((rows,), 5) if shape == "own" else None
    return SequenceBatch(torch.randint(VOCABULARY, (rows, steps)), targets, lengths, torch.ones(rows).bool(), own)


def layers_of(kind: str, width: int = 8) -> nn.Module:
    """A stack of two layers, in one direction or two."""
    if kind == "bidirectional":
        return Stack(
            [
                Bidirectional(Recurrent(GRUCell(size, width)), Recurrent(GRUCell(size, width), reverse=True))
                for size in (6, 2 * width)
            ]
        )
    return Stack([Recurrent(LSTMCell(6, width)), Recurrent(LSTMCell(width, width))], dropout=0.3)


HEADS = {
    "one_to_one": (OneToOne, "sequence", 1),
    "one_to_many": (OneToMany, "own", 1),
    "many_to_one": (ManyToOne, "sequence", 10),
    "many_to_many": (ManyToMany, "step", 10),
    "encoder_decoder": (EncoderDecoder, "own", 10),
}


def model_for(head: str, kind: str = "stack") -> tuple[SequenceModel, Classify, SequenceBatch]:
    """A model with the named head, a task, and a batch that both can take."""
    cls, shape, steps = HEADS[head]
    layers = layers_of(kind)
    own = {"hidden_sizes": [8], "embedding_size": 4} if shape == "own" else {}
    model = SequenceModel(TokenEncoder(VOCABULARY, 6), layers, cls(layers.output_size, VOCABULARY, **own))
    return model, classify(shape), batch_for(shape, steps=steps)


def value_model(cell: nn.Module, head: nn.Module) -> SequenceModel:
    """Features in, one layer, values out."""
    return SequenceModel(FeatureEncoder(cell.input_size), Recurrent(cell), head)


def figure_words(figure: object) -> str:
    """All words in a figure."""
    from matplotlib.text import Text

    return " | ".join(text.get_text() for text in figure.findobj(Text))
