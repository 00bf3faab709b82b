// A layer of your own: a class with `forward`. Its gradient comes for free; here it is checked.
import { evaluate, gradients, nn, Parameter, type Tensor, tensor } from "tensorlane";

/** x · sigmoid(b x) with one trained b for each feature (Swish, Ramachandran et al. 2017). */
class Swish extends nn.Module {
  readonly beta: Parameter;

  constructor(features: number) {
    super();
    this.beta = new Parameter(new Float32Array(features).fill(1), [features]);
  }

  forward(x: Tensor): Tensor {
    return x.mul(x.mul(this.beta).sigmoid());
  }
}

nn.manualSeed(1);
const model = new nn.Sequential(
  new nn.Linear({ inFeatures: 2, outFeatures: 3 }),
  new Swish(3),
  new nn.Linear({ inFeatures: 3, outFeatures: 1 }),
);
const x = tensor([
  [1, -2],
  [0.5, 3],
]);
const loss = () => model.forward(x).square().mean();

// Parameters go by their state-dict names, as in PyTorch.
const named = model.namedParameters();
const slopes = await evaluate(gradients(loss(), model.parameters()));

// Each slope against the difference quotient of the loss.
const step = 1e-2;
let worst = 0;
for (const [i, [, parameter]] of named.entries()) {
  for (let k = 0; k < parameter.data.length; k++) {
    const before = Number(parameter.data[k]);
    const losses: number[] = [];
    for (const value of [before + step, before - step]) {
      parameter.data[k] = value;
      losses.push(Number((await evaluate(loss())).data[0]));
    }
    parameter.data[k] = before;
    const quotient = (losses[0]! - losses[1]!) / (2 * step);
    worst = Math.max(worst, Math.abs(quotient - Number(slopes[i]!.data[k])));
  }
}
console.log(named.map(([name]) => name).join(", "));
console.log(worst < 1e-3 ? "gradients agree" : `gradients are wrong by ${worst}`);
