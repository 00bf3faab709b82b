import { avgPool2d, flatten, tanh } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import { Module } from "../nn/module.ts";
import type { ClassifierOptions } from "./architecture.ts";
import { conv, linear } from "./parts.ts";

/**
 * LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition.
 * (N, 1, 32, 32) -> (N, numClasses). As it is usually taught: C3 sees all maps of S2, pooling has no
 * weights, and a linear layer takes the place of the radial basis functions. 61,706 parameters.
 */
export class LeNet5 extends Module {
  readonly c1;
  readonly c3 = conv(6, 16, 5);
  readonly c5 = conv(16, 120, 5);
  readonly f6 = linear(120, 84);
  readonly out;

  constructor({ numClasses = 10, inChannels = 1 }: ClassifierOptions = {}) {
    super();
    this.c1 = conv(inChannels, 6, 5);
    this.out = linear(84, numClasses);
  }

  forward(x: Tensor): Tensor {
    const s2 = avgPool2d(tanh(this.c1.forward(x)), { kernelSize: 2 });
    const s4 = avgPool2d(tanh(this.c3.forward(s2)), { kernelSize: 2 });
    const c5 = tanh(this.c5.forward(s4));
    return this.out.forward(tanh(this.f6.forward(flatten(c5, 1))));
  }
}

/** LeNet-5 for 32 x 32 images. */
export const lenet5 = (options: ClassifierOptions = {}): LeNet5 => new LeNet5(options);
