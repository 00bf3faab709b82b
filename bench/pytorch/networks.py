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


def build(row):
    network, classes = row["network"], row.get("classes")
    if network == "charLM":
        return CharLM(row)
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
