import { parseArgs } from "node:util";

export const help = `npm run bench -- [options]
  --rows REGEX      only rows whose name and kind match, e.g. --rows "resnet.*train"
  --seconds N       seconds that each row is measured (default 12, quick 1)
  --quick           within 5 minutes on 2 cores: PyTorch's setting is chosen once for each family of rows
  --others          compile times, peak memory and start-up in a quick run, too (75 seconds more)
  --json            the last line is one line of JSON
  --out FOLDER      where bench.json, bench.md and bench.svg go (default bench/results for a full run)
  --blas system     PyTorch runs on the BLAS that the system has chosen, even a slow one
  --guard           compare with the committed result; fails where a ratio fell beyond noise
  --scaling         cost along batch, sequence length, width and depth instead of the table of rows
  --table           measure nothing: print README's table from the committed result
  --peers           jax-js and TensorFlow.js instead of PyTorch (installs bench/peers first)
`;

/** @param {readonly string[]} argv */
export function readOptions(argv) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rows: { type: "string", default: "" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      others: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      out: { type: "string" },
      blas: { type: "string" },
      guard: { type: "boolean", default: false },
      scaling: { type: "boolean", default: false },
      peers: { type: "boolean", default: false },
      table: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const seconds = Number(values.seconds ?? (values.quick ? 1 : 12));
  if (!(seconds > 0)) throw new Error(`--seconds must be above 0, received "${values.seconds}"`);
  if (values.blas !== undefined && values.blas !== "system")
    throw new Error(`--blas can only be "system", received "${values.blas}"`);
  if ([values.guard, values.scaling, values.peers].filter(Boolean).length > 1)
    throw new Error("--guard, --scaling and --peers are three different runs: choose one");
  return { ...values, seconds, rows: new RegExp(values.rows, "i"), everything: values.rows === "" };
}
