"""The networks of bench/rows in PyTorch: torchvision's, those of tests/golden, and recurrent ones."""
import sys
from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

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


class Attention(nn.Module):
    """Bahdanau et al. 2015"""

    def __init__(self, query, memory):
        super().__init__()
        self.query = nn.Linear(query, query)
        self.key = nn.Linear(memory, query, bias=False)
        self.energy = nn.Linear(query, 1, bias=False)

    def forward(self, query, values, keys, padding):
        scores = self.energy(torch.tanh(keys + self.query(query).unsqueeze(1))).squeeze(2)
        weights = torch.softmax(scores.masked_fill(padding, -1e9), -1)
        return torch.bmm(weights.unsqueeze(1), values).squeeze(1)


class Seq2Seq(nn.Module):
    """In training the logits (T, N, classes) after the given tokens, otherwise the likeliest tokens (N, T)."""

    def __init__(self, row):
        super().__init__()
        tokens, embedding, hidden = row["classes"], row["embeddingDim"], row["hiddenSize"]
        self.source = nn.Embedding(tokens, embedding)
        self.target = nn.Embedding(tokens, embedding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.attention = Attention(hidden, 2 * hidden)
        self.decoder = nn.GRUCell(embedding + 2 * hidden, hidden)
        self.head = nn.Linear(3 * hidden, tokens)

    def forward(self, x, lengths, given):
        packed = pack_padded_sequence(self.source(x), lengths, batch_first=True, enforce_sorted=False)
        states, ends = self.encoder(packed)
        values, _ = pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])
        h = torch.tanh(self.bridge(torch.cat([ends[0], ends[1]], 1)))
        keys = self.attention.key(values)
        padding = torch.arange(x.shape[1]) >= lengths.unsqueeze(1)

        def advance(word, h):
            context = self.attention(h, values, keys, padding)
            h = self.decoder(torch.cat([word, context], 1), h)
            return torch.cat([h, context], 1), h

        if self.training:
            features = []
            for word in self.target(given).unbind(1):
                feature, h = advance(word, h)
                features.append(feature)
            return self.head(torch.stack(features))
        token, written = given[:, 0], []
        for _ in range(given.shape[1]):
            feature, h = advance(self.target(token), h)
            token = self.head(feature).argmax(-1)
            written.append(token)
        return torch.stack(written, 1).float()


def build(row):
    network, classes = row["network"], row.get("classes")
    if network == "seq2seq":
        return Seq2Seq(row)
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
    if row["network"] == "seq2seq":
        return F.cross_entropy(output.flatten(0, 1), y.t().flatten())
    if row["family"] == "recurrent":
        return output.square().mean()
    return F.cross_entropy(output, y)
