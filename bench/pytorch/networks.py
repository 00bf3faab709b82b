"""The networks of bench/rows in PyTorch: torchvision's, those of tests/golden, and recurrent ones."""
import sys
from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "golden" / "reference"))
import nets


class Recurrent(nn.Module):
    """(N, T, I) -> (N, T, directions * H)"""

    def __init__(self, row):
        super().__init__()
        self.layers = getattr(nn, row["network"])(
            row["inputSize"], row["hiddenSize"], row["numLayers"],
            batch_first=True, bidirectional=row["bidirectional"])

    def forward(self, x):
        return self.layers(x)[0]


class CharLM(nn.Module):
    """(N, T) characters -> (N, T, classes)"""

    def __init__(self, row):
        super().__init__()
        self.classes = row["classes"]
        self.lstm = nn.LSTM(row["inputSize"], row["hiddenSize"], row["numLayers"], batch_first=True)
        self.head = nn.Linear(row["hiddenSize"], row["classes"])

    def forward(self, x):
        return self.head(self.lstm(F.one_hot(x, self.classes).float())[0])


class TreeCell(nn.Module):
    """Binary Tree-LSTM of Tai et al. 2015; a state is hidden and memory side by side."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.hidden = hidden
        self.weight_ih = nn.Parameter(torch.empty(3 * hidden, inputs))
        self.bias_ih = nn.Parameter(torch.empty(3 * hidden))
        self.weight_hh = nn.Parameter(torch.empty(5 * hidden, 2 * hidden))
        self.bias_hh = nn.Parameter(torch.empty(5 * hidden))

    def leaf(self, x):
        i, o, u = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, -1)
        c = torch.sigmoid(i) * torch.tanh(u)
        return torch.cat([torch.sigmoid(o) * torch.tanh(c), c], -1)

    def forward(self, left, right):
        (hl, cl), (hr, cr) = left.chunk(2, -1), right.chunk(2, -1)
        values = F.linear(torch.cat([hl, hr], -1), self.weight_hh, self.bias_hh)
        gates, u = torch.sigmoid(values[:, :4 * self.hidden]), torch.tanh(values[:, 4 * self.hidden:])
        i, o, fl, fr = gates.chunk(4, -1)
        c = i * u + (fl * cl + fr * cr)
        return torch.cat([o * torch.tanh(c), c], -1)


class Recursive(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, leaf, slot, keep):
        """The nodes in the order of our TreePacks: as many products, of the same sizes."""
        leaves = self.cell.leaf(x)
        words = torch.cat([leaves.new_zeros(1, leaves.shape[1]), leaves])[leaf]
        state = leaves.new_zeros(keep.shape[1], leaves.shape[1])
        inner = []
        for own_words, own_slot, own_keep in zip(words, slot, keep):
            children = own_words + state[own_slot]
            inner.append(self.cell(children[0], children[1]))
            state = torch.cat([state, inner[-1]])[own_keep]
        return torch.cat([leaves, *inner])[:, :self.cell.hidden]


class TreeLSTM(nn.Module):
    def __init__(self, row):
        super().__init__()
        self.tree = Recursive(TreeCell(row["inputSize"], row["hiddenSize"]))

    def forward(self, x, leaf, slot, keep):
        return self.tree(x[0], leaf[0], slot[0], keep[0])


def build(row):
    network, classes = row["network"], row.get("classes")
    if network == "charLM":
        return CharLM(row)
    if network == "treeLSTM":
        return TreeLSTM(row)
    if row["family"] == "recurrent":
        return Recurrent(row)
    if network == "lenet5":
        return nets.LeNet5(classes)
    if network == "googlenet":
        return torchvision.models.googlenet(num_classes=classes, aux_logits=True,
                                            transform_input=False, init_weights=False)
    if row["input"][1] == 32:
        return nets.CifarResNet(classes, int(network.removeprefix("resnet")))
    return getattr(torchvision.models, network)(num_classes=classes)


def loss_of(row, output, y):
    if row["network"] == "googlenet":
        main = F.cross_entropy(output.logits, y)
        return main + 0.3 * (F.cross_entropy(output.aux_logits1, y) + F.cross_entropy(output.aux_logits2, y))
    if row["network"] == "charLM":
        return F.cross_entropy(output.flatten(0, 1), y.flatten())
    if row["family"] == "recurrent":
        return output.square().mean()
    return F.cross_entropy(output, y)
