import { TensorlaneError } from "../errors.ts";
import type { Shape } from "./dim.ts";
import type { DType } from "./dtype.ts";
import { placeholder, type Tensor } from "./tensor.ts";

/**
 * Placeholders by name. Reading a name that is not among them throws a TensorlaneError with those there are;
 * `"mask" in inputs` asks without reading, and the `optional` one is undefined where it is not there.
 */
export function inputsByName(
  what: string,
  specs: Readonly<Record<string, { readonly shape: Shape; readonly dtype?: DType }>>,
  optional?: string,
): Readonly<Record<string, Tensor>> {
  const tensors = Object.fromEntries(
    Object.entries(specs).map(([name, { shape, dtype }]) => [
      name,
      placeholder(name, shape, dtype),
    ]),
  );
  return new Proxy(tensors, {
    get: (target, name) => {
      if (typeof name === "symbol" || Object.hasOwn(target, name)) return Reflect.get(target, name);
      if (name === optional) return undefined;
      throw missing(what, name, Object.keys(target));
    },
  });
}

/** What to throw where something named is read that is not there. */
export const missing = (what: string, name: string, received: readonly string[]) =>
  new TensorlaneError(
    `${what} lacks "${name}", which is read; it has ${received.map((one) => `"${one}"`).join(", ") || "none"}.`,
  );
