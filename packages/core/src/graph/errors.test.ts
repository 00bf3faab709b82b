import { expect, test } from "vitest";
import "./methods.ts";
import { gradients } from "../autodiff/gradients.ts";
import { TensorlaneError } from "../errors.ts";
import { evaluate } from "../evaluate.ts";
import { Dim } from "./dim.ts";
import * as ops from "./ops/index.ts";
import { withPath } from "./scope.ts";
import { Parameter, placeholder, tensor } from "./tensor.ts";

const x = ops.zeros([2, 3]);
const ids = ops.zeros([2], "int32");
const batch = new Dim("batch");
const open = placeholder("x", [batch, 3]);

// Every error says what was received; most say what to do.
test.for<[string, () => unknown, RegExp]>([
  ["types", () => x.add(ids), /add: operands have types float32 and int32; convert .*cast/],
  ["type of one", () => ops.exp(ids), /exp: takes float32, received int32/],
  ["activation", () => ops.relu(ids), /relu: takes float32, received int32/],
  ["matmul", () => x.matmul(ops.zeros([2, 4])), /matmul: float32\[2, 3\] times float32\[2, 4\]/],
  ["matmul type", () => ops.zeros([1, 1]).matmul(ops.zeros([1, 1], "int32")), /both float32/],
  ["matmul scalar", () => x.matmul(ops.zeros([])), /\[2, 3\] and \[\]; scalars/],
  ["linear", () => ops.linear(x, ops.zeros([4, 2])), /input \[2, 3\] against weight \[4, 2\]/],
  ["bias", () => ops.linear(x, ops.zeros([4, 3]), ops.zeros([5])), /bias \[5\].*\[2, 4\]/],
  ["reshape", () => x.reshape([4, 2]), /6 elements of shape \[2, 3\] do not fit shape \[4, 2\]/],
  ["reshape -1", () => x.reshape([4, -1]), /do not fit shape \[4, -1\]/],
  ["axis", () => x.sum({ dim: 2 }), /sum: axis 2 is outside a tensor of rank 2; use -2 to 1/],
  ["axis twice", () => x.sum({ dim: [0, -2] }), /name an axis twice/],
  ["reduce bool", () => ops.sum(ops.equal(x, 0)), /sum: takes numbers, received bool/],
  ["permute", () => x.permute([0, 0]), /\[0,0\] does not name each of the 2 axes/],
  ["squeeze", () => x.squeeze(0), /axis 0 of \[2, 3\] is not of size 1/],
  ["expand", () => x.expand([2, 4]), /\[2, 3\] cannot be expanded to \[2, 4\]/],
  ["concat", () => ops.concat([x, ops.zeros([3, 3])], 1), /\[3, 3\] does not join float32\[2, 3\]/],
  ["concat none", () => ops.concat([]), /received no tensors/],
  ["split", () => x.split([1, 1], 1), /parts \[1,1\] add up to 2, but axis 1 of \[2, 3\] has 3/],
  ["slice step", () => x.slice([[0, 2, -1]]), /steps must be positive \(use flip\)/],
  ["slice rank", () => x.slice([null, null, null]), /3 ranges for a tensor of shape \[2, 3\]/],
  ["select", () => x.select(3, 1), /index 3 is outside axis 1 of \[2, 3\]/],
  ["pad", () => x.pad([1]), /received 1 numbers for shape \[2, 3\]/],
  ["pad crops", () => x.pad([-2, -2]), /crops more than the 3 elements of axis 1/],
  ["pad reflect", () => x.pad([3, 0], { mode: "reflect" }), /at most 2 elements a side/],
  ["pad symbolic", () => open.pad([0, 0, 1, 0], { mode: "reflect" }), /concrete size/],
  ["take", () => ops.take(x, x), /take: indices must be int32 or int64, received float32/],
  ["gather", () => x.gather(0, ops.zeros([2], "int32")), /index \[2\] does not fit \[2, 3\]/],
  ["topk", () => ops.topk(x, 4), /k = 4 exceeds axis 1 of \[2, 3\]/],
  ["where", () => ops.where(x, x, x), /condition must be bool, received float32/],
  ["clamp", () => ids.clamp({ min: 0 }), /clamp: takes float32, received int32/],
  ["layerNorm", () => ops.layerNorm(x, ops.zeros([2]), ops.zeros([2])), /\[3\], received \[2\]/],
  ["norm", () => ops.norm(x, { p: 0 }), /p must be positive, received 0/],
  ["tril", () => ops.tril(ids), /tril: takes matrices, received shape \[2\]/],
  ["padding row", () => ops.embedding(ids, x, { paddingIdx: 2 }), /2 is not one of the 2 rows/],
  ["tensor", () => tensor([1, 2, 3], [2]), /3 values do not fill shape \[2\]/],
  ["ragged", () => tensor([[1, 2], [3]]), /rows of different lengths/],
  ["parameter", () => new Parameter(new Float32Array(3), [2]), /3 values do not fill shape \[2\]/],
  ["loss", () => gradients(x, [x]), /must be a scalar, received shape \[2, 3\].*\.sum\(\)/],
  ["symbolic range", () => open.slice([[-1]]), /symbolic axis 0 of \[batch, 3\]/],
  ["symbolic split", () => open.split(2), /cannot cut axis 0 of \[batch, 3\]/],
])("%s", ([, run, message]) => {
  expect(run).toThrow(TensorlaneError);
  expect(run).toThrow(message);
});

test("an error inside a module names its path", () => {
  expect(() => withPath("encoder.0", () => x.matmul(x))).toThrow(/^in encoder\.0: matmul: /);
});

test("a placeholder has no value", async () => {
  await expect(evaluate(open)).rejects.toThrow(/input "x" has no value/);
});
