import { TensorlaneError } from "../errors.ts";
import { format, sameShape } from "../graph/dim.ts";
import { dtypeOf, type TensorData } from "../graph/dtype.ts";
import type { Parameter } from "../graph/tensor.ts";

/** Values by state-dict name. */
export type StateDict = Map<
  string,
  { readonly data: TensorData; readonly shape: readonly number[] }
>;

/** What `loadStateDict` did with each name; as text, all of it in words. */
export class LoadReport {
  readonly loaded: readonly string[];
  /** In the model, not in the file. */
  readonly missing: readonly string[];
  /** In the file, not in the model. */
  readonly unexpected: readonly string[];
  readonly wrongShape: readonly string[];
  /** Type and shape on both sides of each of `wrongShape`. */
  private readonly differences: ReadonlyMap<string, string>;

  constructor(own: ReadonlyMap<string, Parameter>, state: StateDict) {
    const names = [...own.keys()];
    const given = names.filter((name) => state.has(name));
    const differences = given.flatMap((name): [string, string][] => {
      const [{ data, shape }, target] = [state.get(name)!, own.get(name)!];
      const dtype = dtypeOf(data);
      if (sameShape(shape, target.shape) && dtype === target.dtype) return [];
      const theirs = `${dtype}${format(shape)} in the file`;
      return [[name, `${theirs}, ${target.dtype}${format(target.shape)} in the model`]];
    });
    this.differences = new Map(differences);
    this.loaded = given.filter((name) => !this.differences.has(name));
    this.missing = names.filter((name) => !state.has(name));
    this.unexpected = [...state.keys()].filter((name) => !own.has(name));
    this.wrongShape = [...this.differences.keys()];
  }

  /**
   * Whether every name of the model and of the file found its place. Counts of batches may be missing, as
   * in PyTorch: files from before 0.4.1, torchvision's early ones among them, have none.
   */
  get isComplete(): boolean {
    const needed = this.missing.filter((name) => !/(^|\.)num_batches_tracked$/.test(name));
    return needed.length + this.unexpected.length + this.wrongShape.length === 0;
  }

  /** The whole report, or at most `limit` names of each kind. */
  toString(limit = Number.POSITIVE_INFINITY): string {
    const lines = [`${this.loaded.length} loaded`];
    const list = (title: string, names: readonly string[]) => {
      if (names.length === 0) return;
      const rest = names.length > limit ? `, and ${names.length - limit} more` : "";
      lines.push(`${title}: ${names.slice(0, limit).join(", ")}${rest}`);
    };
    list("missing in the file", this.missing);
    list("not in the model", this.unexpected);
    list(
      "of another shape or type",
      this.wrongShape.map((name) => `${name} is ${this.differences.get(name)}`),
    );
    return lines.join("\n  ");
  }
}

/** Weights that do not fit a model; carries the report on each name. */
export class StateDictError extends TensorlaneError {
  override readonly name = "StateDictError";
  readonly report: LoadReport;

  constructor(report: LoadReport) {
    super(
      "loadStateDict: names or shapes do not match (nothing was changed)\n  " +
        `${report.toString(5).replace(" loaded", " would fit")}\n  ` +
        "pass { strict: false } to load what fits",
    );
    this.report = report;
  }
}
