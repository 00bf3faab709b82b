export { ImageDataset, type ImageDatasetOptions } from "./dataset.ts";
export { ImagePool, type PictureSource } from "./pool.ts";
