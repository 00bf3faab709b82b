"""PyTorch's adaptive softmax on numbers given by a formula: python3 adaptive.py > adaptive.json"""
import json, math, torch

def wave(*shape, phase):
    size = math.prod(shape)
    return torch.tensor([math.sin(1.7 * i + phase) for i in range(size)]).reshape(shape)

cases = []
for cutoffs, div, bias in [([4, 7], 2.0, True), ([5], 4.0, False), ([2, 3, 9], 1.5, False)]:
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs, div_value=div, head_bias=bias)
    with torch.no_grad():
        for phase, p in enumerate(layer.parameters()):
            p.copy_(wave(*p.shape, phase=phase))
    x = wave(6, 8, phase=0.5).requires_grad_()
    target = torch.tensor([0, 11, 4, 7, 2, 9])
    output, loss = layer(x, target)
    loss.backward()
    cases.append(dict(
        cutoffs=cutoffs, divValue=div, headBias=bias, target=target.tolist(),
        names=[name for name, _ in layer.named_parameters()],
        output=output.tolist(), loss=loss.item(), logProb=layer.log_prob(x).flatten().tolist(),
        predict=layer.predict(x).tolist(), dx=x.grad.flatten().tolist(),
        grads=[p.grad.flatten().tolist() for p in layer.parameters()]))
print(json.dumps(dict(torch=torch.__version__, cases=cases)))
