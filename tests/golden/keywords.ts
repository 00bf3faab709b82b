import type { Json } from "./files.ts";

/**
 * PyTorch's keywords of one case. Every one has to be asked for: `done()` fails on those that nobody
 * read, so that a case with an option we do not know cannot pass unnoticed.
 */
export class Keywords {
  private readonly what: string;
  private readonly values: Readonly<Record<string, Json>>;
  private readonly unread: Set<string>;

  constructor(what: string, values: Readonly<Record<string, Json>>) {
    this.what = what;
    this.values = values;
    this.unread = new Set(Object.keys(values));
  }

  has(name: string): boolean {
    return name in this.values;
  }

  raw(name: string): Json | undefined {
    this.unread.delete(name);
    return this.values[name];
  }

  fail(name: string, wanted: string): never {
    const value = JSON.stringify(this.values[name]);
    throw new Error(`${this.what}: keyword ${name} = ${value}, but only ${wanted} is known`);
  }

  number(name: string, fallback: number): number;
  number(name: string): number | undefined;
  number(name: string, fallback?: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined || value === null) return fallback;
    return typeof value === "number" ? value : this.fail(name, "a number");
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.raw(name) ?? fallback;
    return typeof value === "boolean" ? value : this.fail(name, "true or false");
  }

  choice<const T extends string>(name: string, known: readonly T[], fallback: T): T {
    const value = (this.raw(name) ?? fallback) as T;
    return known.includes(value) ? value : this.fail(name, known.join(", "));
  }

  numbers(name: string): readonly number[] | undefined {
    const value = this.raw(name) ?? undefined;
    if (value === undefined) return undefined;
    const isList = Array.isArray(value) && value.every((item) => typeof item === "number");
    return isList ? (value as readonly number[]) : this.fail(name, "a list of numbers");
  }

  /** One number or several. */
  numberOrNumbers(name: string): number | readonly number[] | undefined {
    const value = this.raw(name) ?? undefined;
    return typeof value === "number" ? value : this.numbers(name);
  }

  /** Keywords that do not change a result: how PyTorch goes about it, not what it computes. */
  ignore(...names: readonly string[]): this {
    for (const name of names) this.unread.delete(name);
    return this;
  }

  /** Keywords that are known at one value only. */
  only(fixed: Readonly<Record<string, Json>>): this {
    for (const [name, value] of Object.entries(fixed)) {
      if (this.has(name) && this.raw(name) !== value) this.fail(name, JSON.stringify(value));
    }
    return this;
  }

  done(): void {
    if (this.unread.size > 0) {
      throw new Error(`${this.what}: keywords nobody knows: ${[...this.unread].join(", ")}`);
    }
  }
}
