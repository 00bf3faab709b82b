import type { Executable } from "./engine.ts";
import { EngineError } from "./errors.ts";

interface Entry {
  readonly executable: Promise<Executable>;
  /** Bytes it holds; 0 until it is compiled. */
  bytes: number;
  /** Callers that use it just now. */
  users: number;
  /** No longer in the cache: released when the last user is done. */
  dropped: boolean;
}

/**
 * Keeps compiled graphs for as long as their memory fits a budget; the one unused for longest goes first.
 * The garbage collector cannot do this: it sees none of their native memory.
 */
export class ExecutableCache {
  readonly budget: number;
  // A Map iterates in the order of insertion: the first entry is the one unused for longest.
  private readonly entries = new Map<string, Entry>();

  /** @param budget Bytes that cached executables may hold together; those in use may exceed it. */
  constructor(budget: number) {
    if (!(budget >= 0)) {
      throw new EngineError(`ExecutableCache: the budget is ${budget}; give bytes, from 0.`);
    }
    this.budget = budget;
  }

  /** Executables held now. */
  get size(): number {
    return this.entries.size;
  }

  /** Bytes held now. */
  get bytes(): number {
    let sum = 0;
    for (const entry of this.entries.values()) sum += entry.bytes;
    return sum;
  }

  /**
   * Hands the executable of `key` to `use`, compiling it unless it is there. It is not released before
   * the promise that `use` returns has settled. A failure to compile is not remembered.
   *
   * @example
   * const results = await cache.use(key, () => engine.compile(model), (graph) => graph.run(feeds));
   */
  async use<T>(
    key: string,
    compile: () => Promise<Executable>,
    use: (executable: Executable) => Promise<T>,
  ): Promise<T> {
    const known = this.entries.get(key);
    const entry = known ?? { executable: compile(), bytes: 0, users: 0, dropped: false };
    this.entries.delete(key);
    this.entries.set(key, entry);
    entry.users++;
    try {
      const executable = await this.compiled(key, entry);
      const result = await use(executable);
      entry.bytes = executable.memory();
      return result;
    } finally {
      entry.users--;
      if (entry.dropped) release(entry);
      else this.evict();
    }
  }

  /** Releases everything that is not in use, and the rest as soon as it is not. */
  clear(): void {
    for (const [key, entry] of this.entries) this.drop(key, entry);
  }

  private async compiled(key: string, entry: Entry): Promise<Executable> {
    try {
      const executable = await entry.executable;
      entry.bytes = executable.memory();
      return executable;
    } catch (error) {
      if (this.entries.get(key) === entry) this.entries.delete(key);
      throw error;
    }
  }

  private evict(): void {
    let excess = this.bytes - this.budget;
    let left = this.entries.size;
    for (const [key, entry] of this.entries) {
      // The latest one stays even if it alone exceeds the budget: it is the likeliest to come again.
      if (excess <= 0 || --left === 0) return;
      if (entry.users > 0) continue;
      excess -= entry.bytes;
      this.drop(key, entry);
    }
  }

  private drop(key: string, entry: Entry): void {
    this.entries.delete(key);
    entry.dropped = true;
    release(entry);
  }
}

function release(entry: Entry): void {
  if (entry.users > 0) return;
  // What failed to compile has told its callers already.
  entry.executable.then((executable) => executable.release()).catch(() => {});
}
