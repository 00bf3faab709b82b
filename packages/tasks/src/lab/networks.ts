import { nn, ops, type Tensor } from "tensorlane";

export type Activation = "relu" | "tanh" | "sigmoid";

export const activations: Readonly<Record<Activation, () => nn.Layer>> = {
  relu: () => new nn.ReLU(),
  tanh: () => new nn.Tanh(),
  sigmoid: () => new nn.Sigmoid(),
};

/** Rules for first weights, by the names that papers give them. */
export const rules = {
  he: nn.init.kaimingNormal({ mode: "fanOut", nonlinearity: "relu" }),
  xavier: nn.init.xavierNormal(),
  small: nn.init.normal(0, 0.01),
} as const;

export interface StackOptions {
  readonly layers: number;
  readonly channels: number;
  readonly activation: Activation;
  readonly rule: keyof typeof rules;
  readonly batchNorm: boolean;
}

/** Convolutions of 3x3 one after another, all of one width, then means and a linear layer. */
export class ConvStack extends nn.Module {
  readonly features: nn.Sequential;
  readonly fc: nn.Linear;

  constructor({ layers, channels, activation, rule, batchNorm }: StackOptions) {
    super();
    const init = { weight: rules[rule], bias: nn.init.zeros };
    const layer = (_: unknown, i: number): nn.Layer[] => [
      new nn.Conv2d({
        ...{ inChannels: i === 0 ? 3 : channels, outChannels: channels, kernelSize: 3, padding: 1 },
        init,
      }),
      ...(batchNorm ? [new nn.BatchNorm2d({ numFeatures: channels })] : []),
      activations[activation](),
    ];
    this.features = new nn.Sequential(...Array.from({ length: layers }, layer).flat());
    this.fc = new nn.Linear({ inFeatures: channels, outFeatures: 10 });
  }

  forward(image: Tensor): Tensor {
    return this.fc.forward(ops.mean(this.features.forward(image), { dim: [2, 3] }));
  }
}
