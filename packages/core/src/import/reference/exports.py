"""
Exports networks and writes what PyTorch computes with them:

    exports.py FOLDER small|torchvision [NAME...]
    exports.py ../fixtures fixtures

For each export NAME.onnx there is an entry of cases.json: inputs, outputs in evaluation mode, and
of most the losses before and after one SGD step in training mode, and the state after it. Arrays
are lists, or large ones the names of little-endian files.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.onnx import TrainingMode, export

from nets import NETS, image, make

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
LR = 0.05


FEW = 20_000


def as_array(folder, name, x):
    described = {"dtype": str(x.dtype).replace("torch.", ""), "shape": list(x.shape)}
    if x.numel() > FEW:
        (folder / name).write_bytes(x.detach().numpy().tobytes())
        return {**described, "file": name}
    values = x.detach().flatten().tolist()
    short = [float(f"{v:.8g}") if isinstance(v, float) else int(v) for v in values]
    return {**described, "data": short}


def tuple_of(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def loss_of(outputs):
    return sum((y * y).mean() for y in tuple_of(outputs) if y.is_floating_point())


def step_of(folder, title, module, inputs):
    """Losses before and after one step, and the state afterwards."""
    module.train()
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        return None
    optimizer = torch.optim.SGD(parameters, lr=LR)
    before = loss_of(module(*inputs))
    before.backward()
    optimizer.step()
    state = {k: as_array(folder, f"{title}.{k}", v) for k, v in module.state_dict().items()}
    with torch.no_grad():
        after = loss_of(module(*inputs))
    return {"lr": LR, "before": before.item(), "after": after.item(), "state": state}


def without_dropout(module):
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0


def write(folder, name, make, mode, opset, fold, with_step):
    module, inputs = make()
    module.train(mode == TrainingMode.TRAINING)
    names = ["x", "lengths"][: len(inputs)]
    axes = {n: {0: "batch"} for n in names if len(inputs) == 1}
    title = f"{name}-{mode.name.lower()}-{opset}{'-folded' if fold else ''}"
    options = dict(training=mode, opset_version=opset, do_constant_folding=fold)
    options.update(input_names=names, dynamic_axes=axes)
    try:
        export(module, inputs, str(folder / f"{title}.onnx"), **options)
    except Exception as error:  # PyTorch refuses some combinations.
        return {"name": title, "refused": str(error).split("\n")[0][:120]}
    module.eval()
    with torch.no_grad():
        results = tuple_of(module(*inputs))
    case = {
        "name": title,
        "inputs": [as_array(folder, f"{title}.input{i}", x) for i, x in enumerate(inputs)],
        "outputs": [as_array(folder, f"{title}.output{i}", y) for i, y in enumerate(results)],
    }
    if with_step and not (fold and mode != TrainingMode.TRAINING):
        without_dropout(module)
        case["step"] = step_of(folder, title, module, inputs)
    return case


def small_case(folder, name, mode, opset, fold):
    return write(folder, name, lambda: make(name), mode, opset, fold, with_step=name != "dropout")


MODES = (TrainingMode.EVAL, TrainingMode.PRESERVE, TrainingMode.TRAINING)
# Mode, operator set, constant folding.
WAYS = [
    (MODES[0], 17, False),
    (MODES[2], 17, False),
    (MODES[1], 15, True),
    (MODES[0], 13, True),
    (MODES[2], 12, True),
    (MODES[0], 11, False),
    (MODES[1], 11, True),
]


def small(folder, names):
    return [small_case(folder, name, *way) for name in names or NETS for way in WAYS]


def slim(net):
    """Classifiers of 16 instead of 4096, so that files are a few megabytes."""
    layers = getattr(net, "classifier", [])
    linear = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
    for n, i in enumerate(linear):
        wide = layers[i].in_features if n == 0 else 16
        layers[i] = nn.Linear(wide, 5 if i == linear[-1] else 16)
    return net


def torchvision_net(name):
    from torchvision import models

    torch.manual_seed(1)
    kind = name.replace("-aux", "")
    extra = dict(init_weights=False, aux_logits=kind != name) if kind == "googlenet" else {}
    net = slim(getattr(models, kind)(num_classes=5, **extra))
    without_dropout(net)
    # AlexNet and VGG pool to a fixed size, which their exports can do of multiples only.
    side = 256 if kind != name else 224 if kind.startswith(("alexnet", "vgg")) else 96
    return net, (image(4, 3, side, side),)


def torchvision(folder, names):
    ways = [(MODES[2], 17, False), (MODES[0], 13, True), (MODES[0], 11, False)]
    stepped = ("resnet18", ways[0])
    return [
        write(folder, name, lambda: torchvision_net(name), *way, (name, way) == stepped)
        for name in names
        for way in ways
    ]


def fixtures(folder, _):
    """The few that are committed, so that a machine without PyTorch compares something, too."""
    chosen = [
        ("normed", MODES[2], 17, False),
        ("normed", MODES[0], 13, True),
        ("dropout", MODES[2], 17, False),
        ("lstm", MODES[2], 13, False),
        ("gru-packed", MODES[1], 11, True),
        ("attention", MODES[2], 17, False),
    ]
    return [small_case(folder, *one) for one in chosen]


if __name__ == "__main__":
    target, kind, *chosen = sys.argv[1:]
    kinds = {"small": small, "torchvision": torchvision, "fixtures": fixtures}
    written = kinds[kind](Path(target), chosen)
    (Path(target) / "cases.json").write_text(json.dumps(written, separators=(",", ":")) + "\n")
