import { format, isStatic, type Size } from "../graph/dim.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
} from "../onnx/onnx_pb.ts";
import { OnnxImportError } from "./error.ts";
import { asTensor, Known, knownOf, type Value } from "./known.ts";
import type { Step } from "./program.ts";
import type { Scope } from "./scope.ts";
import { readTensor, type Stored } from "./tensor.ts";

/** The shortest decimal that float32 rounds to the stored number: 0.9, not 0.899999976. */
function decimal(value: number): number {
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === value ? short : value;
}

/**
 * What an operator's rule sees of its node: inputs as tensors or as known arrays, attributes by type.
 * It notes what is read, so that nothing which the file asks for is passed over in silence.
 */
export class Call {
  readonly step: Step;
  readonly scope: Scope;
  private readonly inputs: readonly (Value | undefined)[];
  private readonly readInputs = new Set<number>();
  private readonly readAttributes = new Set<string>();

  constructor(step: Step, scope: Scope) {
    this.step = step;
    this.scope = scope;
    this.inputs = step.node.input.map((name) => (name === "" ? undefined : scope.value(name)));
  }

  get opset(): number {
    return this.scope.run.opset;
  }

  get training(): boolean {
    return this.scope.run.training;
  }

  // Inputs -----------------------------------------------------------------------------------------

  get inputCount(): number {
    return this.inputs.length;
  }

  has(i: number): boolean {
    this.readInputs.add(i);
    return this.inputs[i] !== undefined;
  }

  value(i: number): Value {
    this.readInputs.add(i);
    const value = this.inputs[i];
    if (value === undefined) throw new OnnxImportError(`input ${i} is missing`);
    return value;
  }

  values(): readonly Value[] {
    return this.inputs.map((_, i) => this.value(i));
  }

  tensor(i: number): Tensor {
    return asTensor(this.value(i));
  }

  optional(i: number): Tensor | undefined {
    return this.has(i) ? this.tensor(i) : undefined;
  }

  /** An input that must be known when the graph is built. */
  known(i: number): Known {
    const value = this.value(i);
    if (value instanceof Known) return value;
    throw new OnnxImportError(
      `input ${i} is computed while the graph runs (${value.dtype}${format(value.shape)}), ` +
        "but must be a constant or follow from shapes",
    );
  }

  /** A known input without symbolic sizes. */
  numbers(i: number): readonly number[] {
    const { dtype, values } = this.known(i);
    if (isStatic(values)) return dtype === "float32" ? values.map(decimal) : values;
    throw new OnnxImportError(`input ${i} must be numbers, received [${values.join(", ")}]`);
  }

  /** A known input of one number; the fallback where it is missing. */
  number<T>(i: number, fallback: T): number | T {
    return this.has(i) ? (this.numbers(i)[0] ?? fallback) : fallback;
  }

  /** Sizes from an input, or before opset 13 from the attribute of that name. */
  sizes(i: number, attribute: string): readonly Size[] | undefined {
    const own = this.ints(attribute);
    if (own) return own;
    return this.has(i) ? this.known(i).values : undefined;
  }

  /** The same without symbolic sizes, as axes are. */
  axes(i: number, attribute: string): readonly number[] | undefined {
    const sizes = this.sizes(i, attribute);
    if (!sizes || isStatic(sizes)) return sizes;
    throw new OnnxImportError(`${attribute} must be numbers, received [${sizes.join(", ")}]`);
  }

  // Attributes -------------------------------------------------------------------------------------

  private attribute(name: string, type: AttributeType): AttributeProto | undefined {
    this.readAttributes.add(name);
    const found = this.step.node.attribute.find((attribute) => attribute.name === name);
    if (found && found.type !== type) {
      throw new OnnxImportError(
        `attribute ${name} should be of type ${AttributeType[type]}, received ` +
          `${AttributeType[found.type] ?? found.type}`,
      );
    }
    return found;
  }

  int<T extends number | undefined>(name: string, fallback: T): number | T {
    const found = this.attribute(name, AttributeType.INT);
    return found ? Number(found.i) : fallback;
  }

  float<T extends number | undefined>(name: string, fallback: T): number | T {
    const found = this.attribute(name, AttributeType.FLOAT);
    if (!found) return fallback;
    return decimal(found.f);
  }

  ints(name: string): readonly number[] | undefined {
    return this.attribute(name, AttributeType.INTS)?.ints.map(Number);
  }

  text(name: string, fallback: string): string {
    const found = this.attribute(name, AttributeType.STRING);
    return found ? new TextDecoder().decode(found.s) : fallback;
  }

  texts(name: string): readonly string[] | undefined {
    const decoder = new TextDecoder();
    return this.attribute(name, AttributeType.STRINGS)?.strings.map((s) => decoder.decode(s));
  }

  array(name: string): Stored | undefined {
    const found = this.attribute(name, AttributeType.TENSOR);
    return found?.t && readTensor(found.t, `attribute ${name}`);
  }

  /** A small stored array. */
  smallArray(name: string): Known | undefined {
    const stored = this.array(name);
    return stored && knownOf(stored);
  }

  /** Runs the body of a loop or branch; its inputs are given, all else it reads from around. */
  body(name: string, inputs: readonly Value[]): readonly Value[] {
    this.attribute(name, AttributeType.GRAPH);
    const program = this.step.bodies.get(name);
    if (!program) throw new OnnxImportError(`attribute ${name} is missing`);
    if (program.inputs.length !== inputs.length) {
      throw new OnnxImportError(
        `${name} takes ${program.inputs.length} inputs, received ${inputs.length}`,
      );
    }
    return this.scope.inner(program, inputs).runAll();
  }

  /** Runs one of two bodies without inputs; the other counts as read. */
  branch(taken: string, other: string): readonly Value[] {
    this.attribute(other, AttributeType.GRAPH);
    return this.body(taken, []);
  }

  /** Throws where an attribute has a value that changes the meaning in a way that is not read. */
  require(name: string, actual: number | string, ...allowed: readonly (number | string)[]): void {
    if (allowed.includes(actual)) return;
    throw new OnnxImportError(`${name} = ${actual} is not read; only ${allowed.join(" or ")}`);
  }

  /** Throws where the node has attributes or inputs that its rule did not look at. */
  finish(): void {
    const { attribute, input } = this.step.node;
    const strange = attribute.find(({ name }) => !this.readAttributes.has(name));
    if (strange) throw new OnnxImportError(`attribute ${strange.name} is not read`);
    const extra = input.findIndex((name, i) => name !== "" && !this.readInputs.has(i));
    if (extra >= 0) throw new OnnxImportError(`input ${extra}, "${input[extra]}", is not read`);
  }

  /** The inputs received, for errors. */
  describe(): string {
    return this.inputs
      .map((value) => {
        if (value === undefined) return "nothing";
        return value instanceof Known ? String(value) : `${value.dtype}${format(value.shape)}`;
      })
      .join(", ");
  }
}
