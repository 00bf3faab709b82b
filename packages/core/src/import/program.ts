import type { GraphProto, ModelProto, NodeProto } from "../onnx/onnx_pb.ts";
import { OnnxImportError } from "./error.ts";
import { operators, type Rule } from "./operators/index.ts";
import { readTensor, type Stored } from "./tensor.ts";

/** Operator sets whose meaning the rules follow; torch.onnx.export offers 7 to 17. */
const OLDEST = 9;
const NEWEST = 17;
/** Bodies of loops and branches within each other. */
const DEEPEST = 16;

/** One node of the graph, with what it takes to run it. */
export interface Step {
  readonly node: NodeProto;
  /** `"name" (OpType)`, for errors. */
  readonly title: string;
  readonly rule: Rule;
  /** Bodies of loops and branches, by attribute. */
  readonly bodies: ReadonlyMap<string, Program>;
}

/** A graph, or the body of a loop or branch, reduced to what its outputs need. */
export interface Program {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly steps: readonly Step[];
  /** Constants stored in the file, by name. */
  readonly stored: ReadonlyMap<string, Stored>;
}

/** The version of the standard operators that the file was written for. */
export function opsetOf(model: ModelProto): number {
  const versions = model.opsetImport.filter(({ domain }) => isStandard(domain));
  const opset = Number(versions[0]?.version ?? 0);
  if (opset >= OLDEST && opset <= NEWEST) return opset;
  throw new OnnxImportError(
    `the file is written for operator set ${opset || "(none)"}; ${OLDEST} to ${NEWEST} are read: ` +
      `export it with opset_version=${NEWEST}`,
  );
}

const isStandard = (domain: string): boolean => domain === "" || domain === "ai.onnx";

export const titleOf = ({ name, output, opType }: NodeProto): string =>
  `"${name || output.find((text) => text) || ""}" (${opType})`;

/**
 * Checks a graph and keeps the nodes that `outputs` need.
 *
 * @param outer names that a body reads from the graphs around it
 */
export function readProgram(
  graph: GraphProto,
  outputs: readonly string[],
  outer: ReadonlySet<string> = new Set(),
  depth = 0,
): Program {
  if (depth > DEEPEST) throw new OnnxImportError(`bodies are nested more than ${DEEPEST} deep`);
  const inputs = graph.input.map(({ name }) => name);
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const known = new Set([...outer, ...inputs, ...constants]);
  checkOrder(graph, known);
  const missing = outputs.find((name) => !known.has(name));
  if (missing !== undefined) {
    throw new OnnxImportError(
      `no node computes the output "${missing}"; the last values of the graph are ` +
        `${[...known].slice(-8).join(", ")}`,
    );
  }
  const nodes = needed(graph, outputs);
  refuseUnknown(graph, nodes);
  const steps = nodes.map((node) => stepOf(node, known, depth));
  const read = namesRead(nodes, outputs);
  const stored = graph.initializer
    .filter(({ name }) => read.has(name))
    .map((proto) => [proto.name, readTensor(proto, `the constant "${proto.name}"`)] as const);
  return {
    inputs: inputs.filter((name) => depth > 0 || !constants.has(name)),
    outputs,
    steps,
    stored: new Map(stored),
  };
}

/** Every node must read what came before it: that rules out cycles, too. Adds what nodes compute. */
function checkOrder(graph: GraphProto, known: Set<string>): void {
  const sparse = new Set(graph.sparseInitializer.map(({ values }) => values?.name ?? ""));
  const later = new Set(graph.node.flatMap(({ output }) => output));
  for (const node of graph.node) {
    const absent = node.input.find((name) => name !== "" && !known.has(name));
    if (absent !== undefined) {
      const why = sparse.has(absent)
        ? "which is a sparse constant, and these are not read"
        : later.has(absent)
          ? "which is computed after it: the graph has a cycle or its nodes are out of order"
          : "which is neither an input, a constant (initializer) nor computed by a node";
      throw new OnnxImportError(`node ${titleOf(node)} reads "${absent}", ${why}`);
    }
    for (const name of node.output) {
      if (name !== "" && known.has(name)) {
        throw new OnnxImportError(
          `node ${titleOf(node)} computes "${name}", which is there already`,
        );
      }
      known.add(name);
    }
  }
}

/** Nodes that the outputs depend on, in the graph's order. */
function needed(graph: GraphProto, outputs: readonly string[]): readonly NodeProto[] {
  const wanted = new Set(outputs);
  const kept: NodeProto[] = [];
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => wanted.has(name))) continue;
    kept.push(node);
    for (const name of namesRead([node], [])) wanted.add(name);
  }
  return kept.reverse();
}

/** Names that nodes read, those within their bodies included. */
export function namesRead(
  nodes: readonly NodeProto[],
  outputs: readonly string[],
  depth = 0,
): Set<string> {
  const names = new Set([...outputs, ...nodes.flatMap(({ input }) => input)]);
  for (const { attribute } of nodes) {
    for (const { g } of attribute) {
      if (!g || depth > DEEPEST) continue;
      const ends = g.output.map(({ name }) => name);
      for (const name of namesRead(g.node, ends, depth + 1)) names.add(name);
    }
  }
  names.delete("");
  return names;
}

function refuseUnknown(graph: GraphProto, nodes: readonly NodeProto[]): void {
  const unknown = nodes.filter(({ domain, opType }) => !isStandard(domain) || !ruleOf(opType));
  if (unknown.length === 0) return;
  const list = unknown.slice(0, 5).map((node) => {
    return `${titleOf(node)}${isStandard(node.domain) ? "" : ` of domain "${node.domain}"`}`;
  });
  if (unknown.length > 5) list.push(`and ${unknown.length - 5} more`);
  throw new OnnxImportError(
    `graph "${graph.name}" has operators that are not read: ${list.join(", ")}; ` +
      "cut the graph before them with { outputs: [name] }, or export the model without them",
  );
}

const ruleOf = (opType: string): Rule | undefined =>
  Object.hasOwn(operators, opType) ? operators[opType] : undefined;

function stepOf(node: NodeProto, known: ReadonlySet<string>, depth: number): Step {
  const bodies = new Map<string, Program>();
  for (const { name, g } of node.attribute) {
    if (!g) continue;
    const outputs = g.output.map((output) => output.name);
    bodies.set(name, readProgram(g, outputs, known, depth + 1));
  }
  return { node, title: titleOf(node), rule: ruleOf(node.opType)!, bodies };
}

/** What a float constant of the file is in the module. */
export type Role = "parameter" | "statistic" | "setting";

/** Inputs that are settings, not weights: they are read as numbers when the graph is built. */
const settings: Readonly<Record<string, readonly number[]>> = {
  Clip: [1, 2],
  Dropout: [1, 2],
  Pad: [2],
  Pow: [1],
};
const statistics: Readonly<Record<string, readonly number[]>> = { BatchNormalization: [3, 4] };

/** Roles of constants by how nodes use them. */
export function rolesOf(program: Program): Map<string, Role> {
  const roles = new Map<string, Role>();
  for (const { node, bodies } of program.steps) {
    for (const [i, name] of node.input.entries()) {
      const isStatistic = statistics[node.opType]?.includes(i);
      const isSetting = settings[node.opType]?.includes(i);
      const role = isStatistic ? "statistic" : isSetting ? "setting" : "parameter";
      // A running statistic stays one even if something else reads it, too; a weight stays a weight.
      if (!roles.has(name) || role === "statistic") roles.set(name, role);
      else if (role === "parameter" && roles.get(name) === "setting") roles.set(name, role);
    }
    for (const body of bodies.values()) {
      for (const [name, role] of rolesOf(body)) if (!roles.has(name)) roles.set(name, role);
    }
  }
  return roles;
}

/**
 * PyTorch's exporter stores equal vectors once and lets Identity nodes stand for the others, such as all
 * the zeros that batch norms begin with. They are weights of their own again here, under their own names.
 */
export function separateAliases(program: Program, mostBytes: number): Program {
  const stored = new Map(program.stored);
  let copied = 0;
  const steps = program.steps.filter(({ node, title }) => {
    const original = node.opType === "Identity" ? stored.get(node.input[0]) : undefined;
    if (original?.dtype !== "float32" || node.output.length !== 1) return true;
    copied += original.data.byteLength;
    if (copied > mostBytes) {
      throw new OnnxImportError(`node ${title}: copies of weights exceed ${mostBytes} bytes`);
    }
    stored.set(node.output[0], { ...original, data: original.data.slice() });
    return false;
  });
  return { ...program, steps, stored };
}
