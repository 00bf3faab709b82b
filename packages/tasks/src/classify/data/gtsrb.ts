import { parse } from "csv-parse/sync";
import { unzipSync } from "fflate";
import { UserError } from "../../errors.ts";
import { type LabelledFile, type ReadOptions, readFiles } from "./folder.ts";
import { signNames } from "./names.ts";
import type { ImageSet } from "./set.ts";
import { byTrack } from "./split.ts";

/** `.../00014/00003_00029.ppm`: class, track in the class, frame of the track. */
const trainingFile = /(?:^|\/)(\d{5})\/(\d{5})_\d{5}\.ppm$/;
const testFile = /(?:^|\/)(\d{5}\.ppm)$/;

/** The pictures of the archives `GTSRB_Final_Training_Images`, `..._Test_Images` and `..._Test_GT`. */
export interface SignArchives {
  readonly train: Uint8Array;
  readonly test: Uint8Array;
  readonly truth: Uint8Array;
}

/** The whole of GTSRB from its archives; the validation part is cut by track. */
export async function readSigns(
  archives: SignArchives,
  { seed, ...options }: ReadOptions & { readonly seed: number },
): Promise<Omit<ImageSet, "id" | "title" | "simulated" | "notes" | "published">> {
  const files: LabelledFile[] = [];
  const tracks: number[] = [];
  const trainFiles = unzip("the training archive", archives.train, trainingFile);
  for (const [name, bytes] of trainFiles) {
    const [, label, track] = trainingFile.exec(name)!;
    files.push({ name, label: Number(label), content: { bytes } });
    tracks.push(Number(track));
  }
  const labels = truthOf(archives.truth);
  for (const [name, bytes] of unzip("the test archive", archives.test, testFile)) {
    const label = labels.get(testFile.exec(name)![1]!);
    if (label === undefined) throw new UserError(`the list of true classes does not name ${name}.`);
    files.push({ name, label, content: { bytes } });
  }
  const read = await readFiles(files, options);
  const placesOf = (from: number, to: number) =>
    read.places.slice(from, to).filter((place) => place >= 0);
  const trackOf = new Int32Array(read.sources.length);
  for (const [i, track] of tracks.entries())
    if (read.places[i]! >= 0) trackOf[read.places[i]!] = track;
  const all = placesOf(0, trainFiles.length);
  const { kept, held } = byTrack(all, read.labels, trackOf, 0.15, seed);
  return {
    classes: signNames,
    channels: 3,
    side: 15,
    sources: read.sources,
    labels: read.labels,
    nameOf: (index) => read.names[index]!,
    train: kept,
    validation: held,
    test: placesOf(trainFiles.length, files.length),
    split: "15 % of each class's tracks",
    skipped: read.skipped,
  };
}

function unzip(what: string, bytes: Uint8Array, wanted: RegExp): [string, Uint8Array][] {
  let content: Record<string, Uint8Array>;
  try {
    content = unzipSync(bytes, { filter: ({ name }) => wanted.test(name) });
  } catch (cause) {
    throw new UserError(`${what} of GTSRB is not a readable zip file: ${String(cause)}`, { cause });
  }
  const files = Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1));
  if (files.length === 0) throw new UserError(`${what} of GTSRB holds no images.`);
  return files;
}

/** ClassId by file name, from `GT-final_test.csv`. */
function truthOf(archive: Uint8Array): Map<string, number> {
  const [[, table]] = unzip("the list of true classes", archive, /\.csv$/) as [
    [string, Uint8Array],
  ];
  const rows = parse(Buffer.from(table), { columns: true, delimiter: ";", skip_empty_lines: true });
  return new Map(
    (rows as Record<string, string>[]).map((row) => [row.Filename!, Number(row.ClassId)]),
  );
}
