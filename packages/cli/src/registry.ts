import { delimiter, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Task, tasks, UserError } from "@tensorlane/tasks";

/**
 * The tasks of the command: the built-in ones, and those of the modules named in TENSORLANE_TASKS (paths
 * divided as in PATH; each exports `tasks`, an object of Task by name).
 */
export async function loadTasks(): Promise<ReadonlyMap<string, Task>> {
  const all = new Map<string, Task>(Object.entries(tasks));
  const modules = (process.env.TENSORLANE_TASKS ?? "").split(delimiter).filter(Boolean);
  for (const path of modules) {
    let loaded: { tasks?: Readonly<Record<string, Task>> };
    try {
      loaded = await import(pathToFileURL(resolve(path)).href);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(`TENSORLANE_TASKS names ${path}, which cannot be loaded: ${reason}`);
    }
    if (typeof loaded.tasks !== "object") {
      throw new UserError(`TENSORLANE_TASKS names ${path}, which exports no \`tasks\`.`);
    }
    for (const [name, task] of Object.entries(loaded.tasks)) all.set(name, task);
  }
  return all;
}
