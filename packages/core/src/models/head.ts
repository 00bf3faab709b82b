import { TensorlaneError } from "../errors.ts";
import { Linear } from "../nn/layers.ts";
import type { Module } from "../nn/module.ts";
import type { Classifier } from "./architecture.ts";

/**
 * Gives a network other classes: the last linear layer of the prediction, and of every auxiliary head, is
 * made anew; everything else keeps its weights. Returns the paths of the new layers.
 *
 * @example
 * models.replaceHead(model, 3); // ["fc"]: fine-tuning on three classes
 */
export function replaceHead(model: Classifier, numClasses: number): string[] {
  const replaced: string[] = [];
  for (const [path, module] of [...model.namedModules()]) {
    // A module's own last linear layer gives scores; before it come hidden ones.
    const last = [...module.namedChildren()].filter(([, child]) => child instanceof Linear).at(-1);
    if (!last) continue;
    const [name, old] = last as [string, Linear];
    const [, inFeatures] = old.weight.shape;
    set(module, name, new Linear({ inFeatures, outFeatures: numClasses, bias: !!old.bias }));
    replaced.push(path ? `${path}.${name}` : name);
  }
  if (replaced.length > 0) return replaced;
  throw new TensorlaneError(
    `replaceHead: ${model.constructor.name} has no linear layer to replace; make it with numClasses`,
  );
}

function set(module: Module, name: string, layer: Linear): void {
  // The layers of a Sequential lie in an array under their numbers.
  const { layers } = module as { readonly layers?: Module[] };
  const owner = layers && /^\d+$/.test(name) ? layers : module;
  Object.assign(owner, { [name]: layer });
}
