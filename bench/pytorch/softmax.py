"""PyTorch's side of bench/softmax.js: milliseconds of training steps, as JSON."""
import json, sys, time, torch

rows, hidden, classes, steps = map(int, sys.argv[1:])
below, head = torch.nn.Linear(hidden, hidden), torch.nn.Linear(hidden, classes)
x, y = torch.randn(rows, hidden), torch.randint(0, classes, (rows,))
optimizer = torch.optim.SGD([*below.parameters(), *head.parameters()], lr=0.1)
times = []
for _ in range(steps + 1):
    start = time.time()
    optimizer.zero_grad(set_to_none=True)
    torch.nn.functional.cross_entropy(head(below(x)), y).backward()
    optimizer.step()
    times.append(1000 * (time.time() - start))
print(json.dumps(dict(version=torch.__version__, times=times[1:])))
