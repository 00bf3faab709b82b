// Tensors are lazy: shapes are checked on the line that is wrong, nothing runs before `evaluate`.
import { evaluate, gradients, tensor } from "tensorlane";

const x = tensor([
  [1, 2],
  [3, 4],
]);
const w = tensor([[0.5], [-0.25]]);
const loss = x.matmul(w).square().sum(); // (x w)² summed: 0² + 0.5²

// Gradients are tensors of the same graph, so they have gradients too.
const [slope] = gradients(loss, [w]);
const [curvature] = gradients(slope.sum(), [w]);

const results = await evaluate([loss, slope, curvature]);
for (const { shape, data } of results) console.log(`[${shape}]`, ...data);

try {
  w.matmul(x);
} catch (error) {
  console.log((error as Error).message);
}
