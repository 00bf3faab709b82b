import { createInterface } from "node:readline";

/**
 * Answers requests, a line of JSON each on stdin, with a line on stdout: the other end of `Side`.
 * @param {Record<string, (request: any) => any>} operations
 */
export async function serve(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, ...request } = JSON.parse(line);
    const answer = await Promise.resolve()
      .then(() => operations[op](request))
      .catch((error) => ({ error: error.stack ?? String(error) }));
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
