// What needs Node: files, folders, the network. The data names are here too, so that one import suffices.
export * from "./data/index.node.ts";
export * from "./data/index.ts";
export { FolderStorage, writeFileAtomic } from "./train/storage.node.ts";
