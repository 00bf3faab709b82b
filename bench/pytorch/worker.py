"""PyTorch's side of the bench: a JSON request a line on stdin, a JSON answer a line on stdout."""
import copy
import ctypes
import gc
import inspect
import json
import os
import platform
import resource
import struct
import sys
import time
import warnings

sys.dont_write_bytecode = True
warnings.filterwarnings("ignore")

begin = time.perf_counter()
import torch

import_ms = (time.perf_counter() - begin) * 1e3
import numpy as np
import torchvision
from torch import nn

from networks import build, loss_of
from pictures import Loading

TYPES = {"F32": torch.float32, "I32": torch.int32, "I64": torch.int64}


def read_safetensors(path):
    data = np.fromfile(path, dtype=np.uint8)
    length, = struct.unpack("<Q", data[:8].tobytes())
    header = json.loads(data[8:8 + length].tobytes())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, stop = (8 + length + at for at in entry["data_offsets"])
        # clone: a tensor's data should start where the allocator would put it.
        flat = torch.frombuffer(data[start:stop], dtype=TYPES[entry["dtype"]]).clone()
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


class Training:
    """A step: forward, loss, backward, update."""

    def __init__(self, row, model, x, y, others, layout):
        self.row, self.model, self.x, self.y, self.others = row, model.train(), x, y, others
        if layout == "channels_last":
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = x.contiguous(memory_format=torch.channels_last)
        parameters = self.model.parameters()
        self.optimizer = (torch.optim.SGD(parameters, lr=row["lr"], momentum=0.9)
                          if row["optimizer"] == "sgd" else torch.optim.Adam(parameters, lr=row["lr"]))

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = loss_of(self.row, self.model(self.x, **self.others), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Inference:
    def __init__(self, model, x, others, layout, frozen):
        self.model, self.x = model.eval(), x
        names = inspect.signature(model.forward).parameters
        self.others = [others[name] for name in names if name in others]
        if layout == "channels_last":
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = x.contiguous(memory_format=torch.channels_last)
        if frozen:
            with torch.no_grad():
                traced = torch.jit.trace(self.model, (self.x, *self.others), check_trace=False)
                self.model = torch.jit.optimize_for_inference(torch.jit.freeze(traced))

    def step(self):
        with torch.inference_mode():
            return self.model(self.x, *self.others)


class Worker:
    def load(self, row, kind, path):
        self.row, self.kind, self.runs, self.path = row, kind, {}, path
        if kind == "data":
            return {"variants": [f"{workers} workers" for workers in range(torch.get_num_threads(), -1, -1)]}
        tensors = read_safetensors(path)
        batch = {name[6:]: value.long() if value.dtype == torch.int32 else value
                 for name, value in tensors.items() if name.startswith("batch.")}
        self.x, self.y = batch.pop("x"), batch.pop("y")
        # What else the network is given: the order of a tree's nodes, lengths.
        self.others = batch
        tensors = {name: value for name, value in tensors.items() if not name.startswith("batch.")}
        self.model = build(row)
        self.model.load_state_dict(tensors)
        if kind == "inference" and row["network"] == "googlenet":
            # The auxiliary heads are not part of inference; eager and traced alike ignore them.
            self.model.aux_logits, self.model.aux1, self.model.aux2 = False, None, None
        layouts = ["contiguous", "channels_last"] if row["family"] == "conv" else ["contiguous"]
        modes = ["eager", "frozen"] if kind == "inference" else ["eager"]
        return {"variants": [f"{layout} {mode}" for layout in layouts for mode in modes]}

    def run_of(self, variant):
        if variant not in self.runs:
            self.runs[variant] = self.make(*variant.split())
        return self.runs[variant]

    def make(self, how, mode):
        if self.kind == "data":
            return Loading(self.row, self.path, int(how))
        model = copy.deepcopy(self.model)
        if self.kind == "train":
            return Training(self.row, model, self.x, self.y, self.others, how)
        return Inference(model, self.x, self.others, how, mode == "frozen")

    def check(self, variant, steps, path=None):
        """What a training's first steps give; or the output, written to a file."""
        run = self.run_of(variant)
        if self.kind == "train":
            return self.first_steps(run, steps)
        output = run.step()
        output.contiguous().numpy().tofile(path)
        return {"elements": output.numel()}

    def referee(self, steps):
        """The same steps in float64, whose rounding is of no account."""
        model = copy.deepcopy(self.model).double()
        widen = lambda value: value.double() if value.is_floating_point() else value
        others = {name: widen(value) for name, value in self.others.items()}
        run = Training(self.row, model, widen(self.x), widen(self.y), others, "contiguous")
        return self.first_steps(run, steps)

    def first_steps(self, run, steps):
        """Losses of the first steps without dropout and the norm of the change of all parameters."""
        dropouts = [(m, m.p) for m in run.model.modules() if isinstance(m, nn.Dropout)]
        for module, _ in dropouts:
            module.p = 0.0
        losses = [run.step() for _ in range(steps)]
        for module, p in dropouts:
            module.p = p
        change = sum((after.double() - before.double()).square().sum().item()
                     for before, after in zip(self.model.parameters(), run.model.parameters())) ** 0.5
        return {"losses": losses, "change": change}

    def time(self, variant, count):
        run, times = self.run_of(variant), []
        for _ in range(count):
            start = time.perf_counter()
            run.step()
            times.append((time.perf_counter() - start) * 1e3)
        return {"times": times}

    def keep(self, variant):
        self.runs = {variant: self.run_of(variant)}
        self.give_back()
        return {}

    def close(self):
        self.runs = {}
        self.model = self.x = self.y = self.others = None
        self.give_back()
        return {}

    def give_back(self):
        """Freed memory goes back to the system: several such processes wait beside each other."""
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)

    def gemm(self, size, seconds):
        a, b = torch.rand(size, size), torch.rand(size, size)
        times = []
        while sum(times) < seconds * 1e3:
            start = time.perf_counter()
            torch.mm(a, b)
            times.append((time.perf_counter() - start) * 1e3)
        return {"times": times}

    def memory(self):
        return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    def info(self):
        with open("/proc/self/maps") as maps:
            libraries = {line.split()[-1] for line in maps if "/" in line}
        blas = sorted(os.path.basename(os.path.realpath(path)) for path in libraries
                      if "openblas" in path or "libblas" in path or "libmkl" in path or "libblis" in path)
        return {"torch": torch.__version__, "torchvision": torchvision.__version__,
                "python": platform.python_version(), "blas": blas, "threads": torch.get_num_threads(),
                "config": torch.__config__.show(), "importMs": import_ms}


def main():
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("op"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
