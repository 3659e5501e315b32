"""TabM with piecewise-linear embeddings.

* Y. Gorishniy, A. Kotelnikov, A. Babenko: TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling,
  ICLR 2025. One network imitates an ensemble: its members share the weight matrices, and each has its own vectors
  that scale a layer's inputs and outputs (BatchEnsemble, Wen et al. 2020). Members are trained side by side on the
  mean of their losses, and their predictions are averaged.
* Y. Gorishniy, I. Rubachev, A. Babenko: On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022.
  A number becomes its position within the quantile bins of the training rows.

Shapes: n rows, k members, F numeric columns, B bins, C categorical columns.
"""

from __future__ import annotations

import math

from common.encoder import Encoder

import numpy
import torch
from columns import Columns
from forward import Shape, bin_tables
from torch import nn

CHUNK_ROWS = 8192


class TabM(nn.Module):
    """numbers (n, F) float32 with NaN for missing, codes (n, C) of any integer type → (n, k, outputs)."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.numbers = PiecewiseLinear(shape.bins, shape.embedding) if shape.bins else None
        self.codes = CategoryEmbedding(shape.categories, shape.embedding) if shape.categories else None
        size = (len(shape.bins) + len(shape.categories)) * shape.embedding
        layers: list[nn.Module] = []
        for position in range(shape.depth):
            layers.append(EnsembleLinear(size, shape.width, shape.members, first=position == 0))
            layers.append(nn.ReLU())
            if shape.dropout:
                layers.append(nn.Dropout(shape.dropout))
            size = shape.width
        self.layers = nn.Sequential(*layers)
        bound = 1 / math.sqrt(size)
        self.head_weight = nn.Parameter(torch.empty(shape.members, size, shape.outputs).uniform_(-bound, bound))
        self.head_bias = nn.Parameter(torch.zeros(shape.members, 1, shape.outputs))

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        parts = []
        if self.numbers is not None:
            parts.append(self.numbers(numbers))
        if self.codes is not None:
            parts.append(self.codes(codes))
        # One type for all: under autocast a float32 part would make every layer after it move twice the bytes.
        hidden = self.layers(torch.cat([part.to(parts[0].dtype) for part in parts], dim=1))
        if torch.compiler.is_compiling() and self.shape.outputs == 1:
            # The compiler takes this into the pass before, which a product it would have to call cannot be.
            product = (hidden * self.head_weight.squeeze(2)).sum(dim=2, keepdim=True)
            return product + self.head_bias.transpose(0, 1)
        return torch.baddbmm(
            self.head_bias.to(hidden.dtype), hidden.transpose(0, 1), self.head_weight.to(hidden.dtype)
        ).transpose(0, 1)

    def arrays(self) -> dict[str, numpy.ndarray]:
        """The weights by their names, for forward.Network."""
        return {name: value.detach().cpu().numpy() for name, value in self.state_dict().items()}


class EnsembleLinear(nn.Module):
    """x → s ∘ (W (r ∘ x)) + b with W shared, r, s, b of each member. (n, in) for the first layer, else (n, k, in).

    Computed with each member's own matrix, s ∘ W ∘ r: making it is little against a batch, and scaling every row's
    inputs and outputs instead would go over all activations twice more, forward and back.
    """

    def __init__(self, inputs: int, outputs: int, members: int, first: bool):
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))
        # Only the first layer tells the members apart at the start: random signs there, ones everywhere else (TabM, §3.3).
        signs = torch.randint(0, 2, (members, inputs)) * 2.0 - 1
        self.scale_in = nn.Parameter(signs if first else torch.ones(members, inputs))
        self.scale_out = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound).repeat(members, 1))
        self._first = first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.scale_in.unsqueeze(2) * self.weight * self.scale_out.unsqueeze(1)  # (k, in, out)
        if self._first:
            # All members side by side in one product, which reads the rows once.
            members, inputs, outputs = weight.shape
            y = (x @ weight.transpose(0, 1).reshape(inputs, members * outputs)).view(-1, members, outputs)
        else:
            y = torch.bmm(x.transpose(0, 1), weight).transpose(0, 1)
        return y + self.bias.to(y.dtype)


class PiecewiseLinear(nn.Module):
    """(n, F) → (n, F · embedding). In bin t with edges a, b the code is (x - a) / (b - a), held to 0..1; the outer bins
    go on for one width more, so that values beyond the training rows still differ, but cannot explode.
    """

    def __init__(self, bins: list[list[float]], embedding: int):
        super().__init__()
        for name, table in zip(("start", "slope", "low", "high"), bin_tables(bins), strict=True):
            self.register_buffer(name, torch.from_numpy(table), persistent=False)
        count = self.start.shape[1]
        bound = 1 / math.sqrt(count + 1)
        self.weight = nn.Parameter(torch.empty(len(bins), count + 1, embedding).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(len(bins), 1, embedding).uniform_(-bound, bound))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        missing = torch.isnan(x)
        position = (torch.where(missing, 0, x).unsqueeze(2) - self.start) * self.slope
        position = torch.maximum(torch.minimum(position, self.high), self.low)
        position = torch.where(missing.unsqueeze(2), 0, position)
        # The last code of a column says that its value is missing.
        code = torch.cat([position, missing.unsqueeze(2).to(position.dtype)], dim=2).transpose(0, 1)
        return torch.baddbmm(self.bias, code, self.weight).transpose(0, 1).flatten(1)


class CategoryEmbedding(nn.Module):
    """(n, C) codes → (n, C · embedding), all columns in one table."""

    def __init__(self, categories: list[int], embedding: int):
        super().__init__()
        offsets = torch.tensor([0, *categories[:-1]]).cumsum(0)
        self.register_buffer("offsets", offsets, persistent=False)
        self.table = nn.Embedding(sum(categories), embedding)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(embedding))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return self.table(codes.long() + self.offsets).flatten(1)


@torch.inference_mode()
def predictions(network: TabM, columns: Columns, objective: str) -> torch.Tensor:
    """Averages the members: of probabilities for classes, of outputs for regression. float32 on the CPU."""
    network.eval()
    device = network.head_bias.device
    parts = []
    for start in range(0, columns.rows, CHUNK_ROWS):
        part = columns.take(slice(start, start + CHUNK_ROWS)).to(device)
        outputs = network(part.numbers, part.codes).float()
        if objective == "binary":
            parts.append(torch.sigmoid(outputs).mean(dim=1).squeeze(1).cpu())
        elif objective == "multiclass":
            parts.append(torch.softmax(outputs, dim=2).mean(dim=1).cpu())
        else:
            parts.append(outputs.mean(dim=1).squeeze(1).cpu())
    return torch.cat(parts)


def quantile_bins(matrix: numpy.ndarray, encoder: Encoder, count: int) -> list[list[float]]:
    """Edges of the numeric columns of the training rows; equal quantiles are one edge, a constant column gets one bin."""
    edges = []
    for column in numpy.flatnonzero(~numpy.array(encoder.is_categorical)):
        values = matrix[:, column]
        values = values[~numpy.isnan(values)].astype(numpy.float64)
        found = numpy.unique(numpy.quantile(values, numpy.linspace(0, 1, count + 1))) if len(values) else numpy.zeros(1)
        edges.append((found if len(found) > 1 else numpy.array([found[0], found[0] + 1])).tolist())
    return edges
