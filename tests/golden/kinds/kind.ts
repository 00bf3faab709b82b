import type { Tensor } from "tensorlane";
import { asTensor, type Stored } from "../files.ts";
import type { Keywords } from "../keywords.ts";

/** What a case hands to a function or module of PyTorch, by its names. */
export class Arguments {
  private readonly given: Map<string, Tensor>;
  private readonly unread: Set<string>;
  private readonly what: string;
  /** What `update` noted. */
  readonly after = new Map<string, Tensor>();
  private readonly stored: ReadonlyMap<string, Stored>;

  constructor(what: string, stored: ReadonlyMap<string, Stored>) {
    this.what = what;
    this.stored = stored;
    this.given = new Map([...stored].map(([name, value]) => [name, asTensor(value)]));
    this.unread = new Set(stored.keys());
  }

  get names(): readonly string[] {
    return [...this.given.keys()];
  }

  get(name: string): Tensor {
    const tensor = this.optional(name);
    if (!tensor) throw new Error(`${this.what}: tensor ${name} is missing`);
    return tensor;
  }

  optional(name: string): Tensor | undefined {
    this.unread.delete(name);
    return this.given.get(name);
  }

  /** The numbers of one, to load into a module. */
  values(name: string): Stored & { readonly data: Float32Array } {
    const { data, shape } = this.stored.get(name)!;
    if (!(data instanceof Float32Array)) throw new Error(`${this.what}: ${name} is not float32`);
    return { data, shape };
  }

  /** A module's own parameter takes the place of the tensor that was loaded into it. */
  bind(name: string, parameter: Tensor): void {
    this.get(name);
    this.given.set(name, parameter);
  }

  /** Notes the value of an input after the call: running statistics, say. */
  update(name: string, value: Tensor): void {
    this.get(name);
    this.after.set(name, value);
  }

  done(): void {
    if (this.unread.size > 0) {
      throw new Error(`${this.what}: tensors nobody knows: ${[...this.unread].join(", ")}`);
    }
  }
}

/** PyTorch's function or module of that name, by way of our public face: outputs by name. */
export type Kind = (t: Arguments, keywords: Keywords) => Readonly<Record<string, Tensor>>;
