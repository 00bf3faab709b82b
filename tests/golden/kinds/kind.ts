import type { Tensor } from "tensorlane";
import type { Keywords } from "../keywords.ts";

/** What a case hands to a function or module of PyTorch, by its names. */
export class Arguments {
  private readonly given: Map<string, Tensor>;
  private readonly unread: Set<string>;
  private readonly what: string;

  constructor(what: string, given: Map<string, Tensor>) {
    this.what = what;
    this.given = new Map(given);
    this.unread = new Set(given.keys());
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

  /** A module's own parameter takes the place of the tensor that was loaded into it. */
  bind(name: string, parameter: Tensor): void {
    this.get(name);
    this.given.set(name, parameter);
  }

  done(): void {
    if (this.unread.size > 0) {
      throw new Error(`${this.what}: tensors nobody knows: ${[...this.unread].join(", ")}`);
    }
  }
}

/** PyTorch's function or module of that name, by way of our public face: outputs by name. */
export type Kind = (t: Arguments, keywords: Keywords) => Readonly<Record<string, Tensor>>;
