"""Small networks whose ONNX exports have the operators that importModel reads from PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F


class Do(nn.Module):
    """A function as a module."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, *inputs):
        return self.run(*inputs)


class Tagger(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.encoder = getattr(nn, kind)(4, 5, **options)
        self.head = nn.Linear(10 if options.get("bidirectional") else 5, 3)

    def forward(self, tokens):
        y, _ = self.encoder(self.embed(tokens))
        return self.head(y[:, -1]).log_softmax(-1)


class Packed(nn.Module):
    """Sequences of different lengths: `sequence_lens` of the ONNX operators."""

    def __init__(self, kind):
        super().__init__()
        self.encoder = getattr(nn, kind)(4, 5, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        y, state = self.encoder(packed)
        y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        return (y, *state) if isinstance(state, tuple) else (y, state)


class Attention(nn.Module):
    """One head over (N, T, 6), with shapes taken from the input."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(6, 18)
        self.norm = nn.LayerNorm(6)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = self.project(self.norm(x)).view(n, t, 3, 6).unbind(2)
        weights = (q @ k.transpose(1, 2) / 6**0.5).softmax(-1)
        return F.gelu(weights @ v) + x


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(4 * 2 * 2, 6), nn.Sigmoid(), nn.Linear(6, 3),
    )


def normed():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4, momentum=0.3, eps=1e-3),
        nn.MaxPool2d(3, stride=2, ceil_mode=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3), nn.BatchNorm1d(3),
    )


def image(*shape):
    size = torch.Size(shape).numel()
    return torch.sin(torch.arange(size) * 1.3).reshape(shape)


TOKENS = (torch.arange(21) * 7 % 11).reshape(3, 7)
PICTURE = (image(2, 2, 8, 8),)
SERIES = (image(2, 5, 6),)

# name -> (module, inputs)
NETS = {
    "lenet": lambda: (lenet(), (image(2, 1, 12, 12),)),
    "normed": lambda: (normed(), (image(8, 2, 8, 8),)),
    "dropout": lambda: (
        nn.Sequential(nn.Linear(6, 40), nn.Dropout(0.4), nn.ReLU()),
        (image(4, 6),),
    ),
    "attention": lambda: (Attention(), SERIES),
    "lrn": lambda: (nn.Sequential(nn.Conv2d(2, 7, 1), nn.LocalResponseNorm(5, alpha=0.5)), PICTURE),
    "group-norm": lambda: (nn.Sequential(nn.Conv2d(2, 4, 1), nn.GroupNorm(2, 4)), PICTURE),
    "instance-norm": lambda: (nn.InstanceNorm2d(2, affine=True), PICTURE),
    "sequence": lambda: (
        nn.Sequential(
            nn.Conv1d(5, 4, 3, padding=2, dilation=2), nn.BatchNorm1d(4), nn.MaxPool1d(2),
        ),
        SERIES,
    ),
    "transposed": lambda: (
        nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1),
        PICTURE,
    ),
    "slopes": lambda: (
        nn.Sequential(
            nn.Linear(6, 6), nn.LeakyReLU(0.2), nn.Linear(6, 6), nn.ELU(0.7), nn.SiLU(),
            nn.PReLU(), nn.Softplus(), nn.Hardtanh(0.2, 0.9),
        ),
        (image(4, 6),),
    ),
    "softmax": lambda: (Do(lambda x: (x.softmax(1), x.log_softmax(1), x.softmax(-1))), SERIES),
    "reductions": lambda: (
        Do(lambda x: (x.sum(1), x.mean((1, 2)), x.amax(2), x.std(1), x.var(2), x.max(1)[0],
                      x.norm(dim=2), x.logsumexp(1), x.argmax(1), x.cumsum(1), x.topk(2)[0])),
        SERIES,
    ),
    "views": lambda: (
        Do(lambda x: (x.flatten(1), x.view(x.size(0), -1, 3), x.transpose(1, 2), x.squeeze(0),
                      x[:, 1:-1], x[:, ::2], x[..., -1], torch.cat([x, x], 1), torch.stack([x, x]),
                      x.repeat(1, 2, 1), x.unsqueeze(1).expand(-1, 3, -1, -1), x.flip(1),
                      torch.cat(torch.chunk(x, 2, 2), 1), x.roll(1, 1))),
        SERIES,
    ),
    "choices": lambda: (
        Do(lambda x: (torch.where(x > 0, x, -x), x.clamp(min=0), x.clamp(-0.5, 0.5), x.abs(),
                      (x * x + 1).sqrt(), (x * x + 1).log(), x.exp(), x.pow(3), 1 / (x + 3),
                      x.masked_fill(x < 0, 0.5), torch.maximum(x, x * x), x.sign(), x.floor(),
                      x.sin() + x.cos(), torch.erf(x))),
        (image(4, 4),),
    ),
    "triangle": lambda: (Do(lambda x: (x.tril(), x.triu(1))), (image(4, 4),)),
    "padding": lambda: (
        Do(lambda x: (F.pad(x, (1, 0, 2, 1)), F.pad(x, (1, 1, 1, 1), mode="reflect"),
                      F.pad(x, (1, 2, 0, 1), mode="replicate"), F.avg_pool2d(x, 3, 2, 1),
                      F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), F.max_pool2d(x, 3, 2, 1),
                      F.pixel_shuffle(torch.cat([x, x], 1), 2), F.adaptive_avg_pool2d(x, 4))),
        PICTURE,
    ),
}
for kind in ("LSTM", "GRU", "RNN"):
    NETS[kind.lower()] = lambda kind=kind: (Tagger(kind), (TOKENS,))
    NETS[f"{kind.lower()}-two-ways"] = lambda kind=kind: (
        Tagger(kind, batch_first=True, num_layers=2, bidirectional=True), (TOKENS,))
    NETS[f"{kind.lower()}-packed"] = lambda kind=kind: (
        Packed(kind), (image(3, 7, 4), torch.tensor([7, 5, 2])))
NETS["rnn-relu"] = lambda: (Tagger("RNN", nonlinearity="relu", batch_first=True), (TOKENS,))


def make(name):
    """The network and its inputs; weights that are not all alike, batch norms with a history."""
    torch.manual_seed(sum(map(ord, name)))
    module, inputs = NETS[name]()
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if key.endswith(("running_mean", "running_var")):
                value.add_(torch.rand_like(value))
            elif value.dim() == 1 and value.is_floating_point():
                value.add_(0.1 * torch.randn_like(value))
    return module, inputs
