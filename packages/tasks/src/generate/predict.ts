import { UserError } from "../errors.ts";
import { checkSampling, type Sampling, StepModel } from "../language/index.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, Extra, PredictOptions, TaskUi } from "../task.ts";
import { counted } from "../wording.ts";
import { loadRunState } from "./runState.ts";
import { defaultPrompt, readPrompt, writeText } from "./writing.ts";

interface PredictExtra extends Sampling {
  readonly length: number;
  readonly seed: number;
}

/** Writes on from a prompt; the text appears as it is made. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  options: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  if (inputs.length > 1) {
    throw new UserError(
      `predict takes one prompt, received ${inputs.length}: put it in quotes, "${inputs.join(" ")}".`,
    );
  }
  const { length, seed, temperature, topK, topP } = wishesOf(options.extra);
  const sampling = {
    ...(temperature !== undefined && { temperature }),
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
  };
  checkSampling(sampling);
  const folder = await RunFolder.open(dir);
  const { model, vocabulary } = await loadRunState(folder);
  const { text: prompt, unknown } = readPrompt(vocabulary, inputs[0] || defaultPrompt(vocabulary));
  if (unknown.length > 0) {
    const words = unknown.map((word) => JSON.stringify(word)).join(", ");
    ui.warn(`The model does not know ${words}, and reads an unknown word there.`);
  }
  const say = (part: string) => {
    if (options.out === undefined) ui.write(part);
  };
  const step = await StepModel.create(model);
  let text = prompt;
  let tokens = 0;
  const began = performance.now();
  say(prompt);
  const { signal } = ui;
  const wish = { prompt, length, seed, signal, ...sampling };
  for await (const part of writeText(step, vocabulary, wish)) {
    say(part);
    text += part;
    tokens++;
  }
  const seconds = (performance.now() - began) / 1000;
  step.release();
  say("\n");
  if (options.out !== undefined) {
    await writeFileAtomic(options.out, text);
    ui.notice(`${options.out}: ${counted(tokens, vocabulary.unit)} after the prompt`);
  }
  return {
    dir: folder.dir,
    ...(ui.signal.aborted && { status: "interrupted" }),
    prompt,
    text,
    ...(unknown.length > 0 && { unknown }),
    tokens,
    tokensPerSecond: Math.round(tokens / seconds),
    seed,
    ...(options.out !== undefined && { path: options.out }),
  };
}

const wishesOf = (extra: Extra): PredictExtra => extra as unknown as PredictExtra;
