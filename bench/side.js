// One side of a comparison: a child process that is asked by lines of JSON and answers each with one.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Idle threads of either side wait actively for a while before they sleep: let them, before the other runs. */
const SETTLE_MS = 60;
/** How long a process may take to end once it is told that nothing follows. */
const GOODBYE_MS = 5000;

export class Side {
  /** Milliseconds within which every question must be answered; then the process counts as stuck and is ended. */
  static patience = 600_000;

  /**
   * @param {{ name: string, command: string, args: string[], env?: Record<string, string>, isHalted?: boolean }} options
   * halted: stopped whenever it is not asked, since its idle threads may wait actively for ever
   */
  constructor({ name, command, args, env = {}, isHalted = false }) {
    this.name = name;
    this.isHalted = isHalted;
    this.errors = "";
    /** @type {((line: string | undefined) => void) | undefined} */
    this.waiting = undefined;
    this.child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child.stderr.on("data", (chunk) => {
      this.errors = (this.errors + chunk).slice(-4000);
    });
    // A process that died says so by the answer that never comes.
    this.child.stdin.on("error", () => {});
    const lines = createInterface({ input: this.child.stdout });
    lines.on("line", (line) => this.settle(line));
    this.child.on("error", (error) => {
      this.errors += error.message;
      this.settle(undefined);
    });
    this.child.on("close", (code, signal) => {
      this.ended = true;
      this.errors += signal ? ` (killed by ${signal})` : ` (exit code ${code})`;
      this.settle(undefined);
    });
  }

  /** @param {string | undefined} line */
  settle(line) {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.(line);
  }

  /** @param {string} op @param {object} [fields] @returns {Promise<any>} the answer */
  async ask(op, fields = {}) {
    const line = this.ended ? undefined : await this.answer(JSON.stringify({ op, ...fields }));
    if (line === undefined)
      throw new Error(`${this.name} ended during "${op}": ${this.errors.trim()}`);
    const answer = JSON.parse(line);
    if (answer.error) throw new Error(`${this.name}, "${op}": ${answer.error}`);
    return answer;
  }

  /** @param {string} question @returns {Promise<string | undefined>} nothing where the process is gone */
  async answer(question) {
    const stuck = setTimeout(() => {
      this.errors += `no answer within ${Side.patience / 1000} s, a process that is stuck`;
      this.child.kill("SIGKILL");
    }, Side.patience);
    if (this.isHalted) this.child.kill("SIGCONT");
    const line = await new Promise((resolve) => {
      this.waiting = resolve;
      this.child.stdin.write(`${question}\n`);
    });
    if (this.isHalted && !this.ended) this.child.kill("SIGSTOP");
    clearTimeout(stuck);
    return line;
  }

  /**
   * Runs steps, then leaves the processors alone. @param {number} count @param {object} [fields]
   * @returns {Promise<number[]>} milliseconds of each
   */
  async time(count, fields = {}) {
    const { times } = await this.ask("time", { count, ...fields });
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return times;
  }

  async end() {
    if (this.ended) return;
    const closed = new Promise((resolve) => this.child.once("close", resolve));
    if (this.isHalted) this.child.kill("SIGCONT");
    this.child.stdin.end();
    const impatient = setTimeout(() => this.child.kill("SIGKILL"), GOODBYE_MS);
    await closed;
    clearTimeout(impatient);
  }
}
