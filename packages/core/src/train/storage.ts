/** Where checkpoints live: files in Node, OPFS in a browser, memory in tests. */
export interface Storage {
  /** The bytes under a name; undefined where there are none. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Replaces what is there, whole or not at all. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Keeps everything in memory. */
export class MemoryStorage implements Storage {
  readonly files = new Map<string, Uint8Array>();

  async read(name: string): Promise<Uint8Array | undefined> {
    return this.files.get(name);
  }
  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.files.set(name, bytes.slice());
  }
  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }
}
