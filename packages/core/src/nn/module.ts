import type { TensorData } from "../graph/dtype.ts";
import { currentPath, withPath } from "../graph/scope.ts";
import { Parameter, type Tensor } from "../graph/tensor.ts";
import { LoadReport, type StateDict, StateDictError } from "./loadReport.ts";

/** State that is saved with a model but not trained: running statistics and the like. */
export class Buffer extends Parameter {
  constructor(data: TensorData, shape: readonly number[]) {
    super(data, shape, false);
  }
}

/** The module whose forward runs outermost, and the paths of everything below it. */
let root: ReadonlyMap<Module, string> | undefined;
/** Where buffers' new values are noted while `trace` runs. */
let noted: Map<Buffer, Tensor> | undefined;

/**
 * A part of a network: parameters, buffers and other modules, found by themselves among the fields, in
 * declaration order, under PyTorch's names. Subclasses write `forward`; the gradient comes for free.
 *
 * @example
 * class Scale extends nn.Module {
 *   weight = new Parameter(new Float32Array([1]), [1]);
 *   forward(x: Tensor): Tensor {
 *     return x.mul(this.weight);
 *   }
 * }
 */
export abstract class Module {
  /** Whether dropout and batch statistics are on; set by `train()` and `eval()`. */
  training = true;

  constructor() {
    // Every forward runs under its module's path, which errors, nodes and random streams carry.
    const { forward } = this;
    Object.defineProperty(this, "forward", {
      value: (...inputs: never[]) => this.enter(() => forward.apply(this, inputs)),
      configurable: true,
      writable: true,
    });
  }

  abstract forward(...inputs: never[]): unknown;

  private enter<T>(run: () => T): T {
    const path = root?.get(this);
    if (path !== undefined) return withPath(path, run);
    const outer = root;
    const prefix = currentPath();
    root = new Map(
      [...this.namedModules()].map(([name, module]) => [module, join(prefix, name)] as const),
    );
    try {
      return withPath(prefix, run);
    } finally {
      root = outer;
    }
  }

  /** Direct sub-modules by field name; arrays of modules count as `name.0`, `name.1`, ... */
  *namedChildren(): Generator<[string, Module]> {
    for (const [name, value] of Object.entries(this)) {
      if (value instanceof Module) yield [name, value];
      else if (Array.isArray(value)) {
        for (const [i, item] of value.entries()) {
          if (item instanceof Module) yield [`${name}.${i}`, item];
        }
      }
    }
  }

  /** This module ("") and all below it, with their paths. */
  *namedModules(prefix = ""): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [name, child] of this.namedChildren()) yield* child.namedModules(join(prefix, name));
  }

  /** Parameters and buffers in state-dict order: own fields first, then those of sub-modules. */
  *namedState(): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, value] of module.ownState()) {
        if (seen.has(value)) continue;
        seen.add(value);
        yield [join(path, name), value];
      }
    }
  }

  /** Parameters and buffers of this module alone: those among its fields. */
  *ownState(): Generator<[string, Parameter]> {
    for (const [name, value] of Object.entries(this)) {
      if (value instanceof Parameter) yield [name, value];
    }
  }

  namedParameters(): [string, Parameter][] {
    return [...this.namedState()].filter(([, value]) => !(value instanceof Buffer));
  }

  namedBuffers(): [string, Buffer][] {
    return [...this.namedState()].filter(([, value]) => value instanceof Buffer);
  }

  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** Training mode for this module and all below it. */
  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  /** Evaluation mode: no dropout, running statistics. */
  eval(): this {
    return this.train(false);
  }

  /** Freezes (false) or frees (true) all parameters; frozen ones are not computed backward. */
  requiresGrad(value = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = value;
    return this;
  }

  /** Parameters and buffers by name. The data are the live arrays: copy them to keep a moment. */
  stateDict(): StateDict {
    return new Map(
      [...this.namedState()].map(([name, { data, shape }]) => [name, { data, shape }]),
    );
  }

  /**
   * Copies values into the model by name. `strict` (the default) throws a StateDictError, before anything
   * changes, unless names, shapes and types all match; otherwise what fits is loaded and the report tells
   * the rest.
   *
   * @example
   * console.log(String(model.loadStateDict(arrays, { strict: false })));
   */
  loadStateDict(state: StateDict, options: { readonly strict?: boolean } = {}): LoadReport {
    const own = new Map(this.namedState());
    const report = new LoadReport(own, state);
    if ((options.strict ?? true) && !report.isComplete) throw new StateDictError(report);
    for (const name of report.loaded) own.get(name)!.assign(state.get(name)!.data);
    return report;
  }
}

const join = (prefix: string, name: string): string =>
  prefix && name ? `${prefix}.${name}` : prefix || name;

/** Runs `build` with a model in training or evaluation mode; every module gets its own mode back. */
export function withMode<T>(model: Module, training: boolean, build: () => T): T {
  const modes = [...model.namedModules()].map(([, module]) => [module, module.training] as const);
  model.train(training);
  try {
    return build();
  } finally {
    for (const [module, mode] of modes) module.training = mode;
  }
}

/** Inside a forward: gives a buffer its next value. Applied by a Trainer, never by `evaluate`. */
export function updateBuffer(buffer: Buffer, value: Tensor): void {
  noted?.set(buffer, value);
}

/**
 * Runs `build` and collects what it does to the model's buffers: buffer name -> new value.
 *
 * @example
 * const { value, updates } = nn.trace(model, () => model.forward(x));
 */
export function trace<T>(
  model: Module,
  build: () => T,
): { readonly value: T; readonly updates: Map<string, Tensor> } {
  const outer = noted;
  const own = new Map<Buffer, Tensor>();
  noted = own;
  try {
    const value = build();
    const updates = new Map<string, Tensor>();
    for (const [name, buffer] of model.namedBuffers()) {
      const next = own.get(buffer);
      if (next) updates.set(name, next);
    }
    return { value, updates };
  } finally {
    noted = outer;
  }
}
