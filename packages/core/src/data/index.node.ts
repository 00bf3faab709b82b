export {
  type DataPlaces,
  dataCacheFolder,
  dataMirrorFolder,
  locateData,
  type ObtainedFile,
  obtainFile,
} from "./cache.node.ts";
export {
  type DownloadOptions,
  type DownloadProgress,
  download,
  hashFile,
} from "./download.node.ts";
