/** The fill of reference/README.md: every value from (salt, name, flat index) alone. */

const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
};

const mix = (value: number): number => {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
};

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The rule from u to the value for a parameter or buffer, by its name and shape. */
function parameterRule(name: string, shape: readonly number[], hidden?: number) {
  const leaf = name.slice(name.lastIndexOf(".") + 1);
  if (leaf === "num_batches_tracked") return () => 0;
  if (leaf === "running_mean") return (u: number) => 0.1 * u;
  if (leaf === "running_var") return (u: number) => 1 + 0.2 * Math.abs(u);
  if (leaf.startsWith("bias")) return (u: number) => 0.05 * u;
  if (leaf.startsWith("weight_ih") || leaf.startsWith("weight_hh")) {
    if (hidden === undefined) throw new Error(`${name}: its fill needs the layer's hidden size`);
    return (u: number) => (1 / Math.sqrt(hidden)) * u;
  }
  if (name.includes("embedding")) return (u: number) => u;
  if (shape.length === 1) return (u: number) => 1 + 0.1 * u;
  const scale = Math.sqrt(6 / product(shape.slice(1)));
  return (u: number) => scale * u;
}

export class Fill {
  private readonly salt: string;

  constructor(salt: string) {
    this.salt = salt;
  }

  seed(name: string): number {
    return fnv1a(`${this.salt}:${name}`);
  }

  /** u of one element: float64, -1 <= u < 1. */
  unit(name: string, index: number): number {
    return unit(this.seed(name), index);
  }

  /** Values in float32, row-major. */
  values(
    name: string,
    shape: readonly number[],
    rule: (u: number) => number = (u) => u,
  ): Float32Array {
    const seed = this.seed(name);
    // A plain loop: VGG has 138 million weights.
    const result = new Float32Array(product(shape));
    for (let i = 0; i < result.length; i++) result[i] = rule(unit(seed, i));
    return result;
  }

  parameter(name: string, shape: readonly number[], hidden?: number): Float32Array {
    return this.values(name, shape, parameterRule(name, shape, hidden));
  }

  /** Evenly between two bounds. */
  between(name: string, shape: readonly number[], low: number, high: number): Float32Array {
    return this.values(name, shape, (u) => low + (high - low) * ((u + 1) / 2));
  }

  labels(name: string, shape: readonly number[], classes: number): Int32Array {
    const seed = this.seed(name);
    return Int32Array.from({ length: product(shape) }, (_, i) =>
      Math.floor(((unit(seed, i) + 1) / 2) * classes),
    );
  }
}

const unit = (seed: number, index: number): number =>
  (mix((seed + Math.imul(index, 0x9e3779b9)) >>> 0) / 2 ** 32) * 2 - 1;
