import { TensorlaneError } from "../errors.ts";
import { currentPath, withPath } from "../graph/scope.ts";
import { type Tensor, tensor } from "../graph/tensor.ts";
import type { Buffer } from "../nn/module.ts";
import { Call } from "./call.ts";
import { OnnxImportError } from "./error.ts";
import { knownOf, type Value } from "./known.ts";
import type { Program, Step } from "./program.ts";

/** What all scopes of one forward share. */
export interface Run {
  readonly opset: number;
  readonly training: boolean;
  /** Running statistics after the nodes so far, where several nodes share them. */
  readonly updated: Map<Buffer, Tensor>;
}

/** The values of one graph, or of one pass through a body, while it is written out as tensors. */
export class Scope {
  readonly run: Run;
  private readonly program: Program;
  private readonly known = new Map<string, Value>();
  private readonly outer: Scope | undefined;

  constructor(program: Program, run: Run, values: Iterable<[string, Value]>, outer?: Scope) {
    this.program = program;
    this.run = run;
    this.outer = outer;
    for (const [name, stored] of outer ? program.stored : []) {
      this.known.set(name, knownOf(stored) ?? tensor(stored.data, stored.shape));
    }
    for (const [name, value] of values) this.known.set(name, value);
  }

  value(name: string): Value {
    const value = this.known.get(name) ?? this.outer?.value(name);
    if (value !== undefined) return value;
    throw new OnnxImportError(`"${name}" has no value: the node that makes it does not fill it`);
  }

  inner(program: Program, inputs: readonly Value[]): Scope {
    const named = program.inputs.map((name, i): [string, Value] => [name, inputs[i]]);
    return new Scope(program, this.run, named, this);
  }

  /** Runs every node; the values of the outputs. */
  runAll(): readonly Value[] {
    for (const step of this.program.steps) this.runStep(step);
    return this.program.outputs.map((name) => this.value(name));
  }

  private runStep(step: Step): void {
    const { node, title, rule } = step;
    const call = new Call(step, this);
    try {
      const results = withPath(pathOf(step), () => {
        const made = rule(call);
        call.finish();
        return Array.isArray(made) ? (made as readonly Value[]) : [made as Value];
      });
      for (const [i, name] of node.output.entries()) {
        if (name !== "" && results[i] !== undefined) this.known.set(name, results[i]);
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw located(error, `node ${title}`, call.describe());
    }
  }
}

/** The module's path and the node's name, which says where in the exported model it was. */
function pathOf({ node }: Step): string {
  const name = node.name.replace(/^\/+/, "");
  return [currentPath(), name].filter((part) => part !== "").join(".");
}

/** An error that says at which node it arose, once. */
function located(error: Error, where: string, received: string): Error {
  const own = error.message.startsWith("in ") && error.cause instanceof TensorlaneError;
  const inner = own ? (error.cause as Error) : error;
  if (inner instanceof LocatedError) return inner;
  return new LocatedError(`${where}: ${inner.message}; its inputs are ${received || "none"}`, {
    cause: inner,
  });
}

class LocatedError extends OnnxImportError {}
