import type { DataEntry } from "./registry.ts";
import { raw, unverified, verified } from "./registry-traffic.ts";

const surnames = (language: string) =>
  raw(
    "spro/practical-pytorch",
    "c520c52e68e945d88fff563dba1c028b6ec0197b",
    `data/names/${language}.txt`,
  );

/** Texts, music and what later tasks will read: files, hashes and licences. */
export const otherEntries: readonly DataEntry[] = [
  {
    id: "tiny-shakespeare",
    title: "Tiny Shakespeare: 1115394 characters",
    kind: "text",
    loader: "generate",
    licence: "MIT (repository); the plays are in the public domain",
    citation: "Karpathy: The unreasonable effectiveness of recurrent neural networks (2015)",
    files: [
      verified(
        "text",
        "text/tinyshakespeare.txt",
        raw(
          "karpathy/char-rnn",
          "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e",
          "data/tinyshakespeare/input.txt",
        ),
        [1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"],
        [
          "text/tinyshakespeare.txt.gz",
          433627,
          "bed00f18e91cda6838950656f0a95e07e0f4dbe8649a4b959f7602a7e53fbc6e",
        ],
      ),
    ],
  },
  {
    id: "nottingham",
    title: "Nottingham folk tunes: 1034 in ABC",
    kind: "music",
    loader: "compose",
    licence: "GNU GPL 3 (repository)",
    citation: "Foxley: Nottingham Music Database; jukedeck/nottingham-dataset",
    files: [
      unverified("text", "music/nottingham_cleaned.abc.gz", undefined, [
        "music/nottingham_cleaned.abc.gz",
        116552,
        "5effcb729859b18e65a9fa353cd77bacfc7dd27c033497c5b13e4b8dd73142de",
      ]),
    ],
  },
  {
    id: "nottingham-roll",
    title: "Nottingham folk tunes as piano rolls: 694 + 173 + 170",
    kind: "music",
    loader: "compose",
    licence: "MIT (repository)",
    citation:
      "Boulanger-Lewandowski et al.: Modeling temporal dependencies in high-dimensional sequences (2012)",
    files: [
      unverified("train", "music/nottingham_roll_train.txt.gz", undefined, [
        "music/nottingham_roll_train.txt.gz",
        86704,
        "1284eb2c38ad09e9042e805e1dffe57cd19f3ac605ef8e15f8f797cfe89b9722",
      ]),
      unverified("valid", "music/nottingham_roll_valid.txt.gz", undefined, [
        "music/nottingham_roll_valid.txt.gz",
        21850,
        "16eba746ca6597395116a429b8e6ceb4d72b7ebcb393c1e5e8af0076ab849a5f",
      ]),
      unverified("test", "music/nottingham_roll_test.txt.gz", undefined, [
        "music/nottingham_roll_test.txt.gz",
        22214,
        "2c81e7b0674b49cebcf55a0b27447f44c71e6fb60fc3eed6d45d66981325a6ec",
      ]),
    ],
  },
  {
    id: "sst",
    title: "Stanford Sentiment Treebank: 8544 + 1101 + 2210 parse trees",
    kind: "text",
    loader: "sentiment",
    licence: "not stated by the sources",
    citation:
      "Socher et al.: Recursive deep models for semantic compositionality over a sentiment treebank (2013)",
    files: [
      unverified("train", "sentiment/train.txt.gz", undefined, [
        "sentiment/train.txt.gz",
        567819,
        "7e6aa375a039edd507ac6f2fd59167252fa26c1d4f4eacbb882b67173634b80a",
      ]),
      unverified("dev", "sentiment/dev.txt.gz", undefined, [
        "sentiment/dev.txt.gz",
        74467,
        "83088b1d776a127c06c14bce4acddfe2e6d318f538e2abbb5c9e772f96a8601b",
      ]),
      unverified("test", "sentiment/test.txt.gz", undefined, [
        "sentiment/test.txt.gz",
        147988,
        "65b9da00aa0e8107f3e3bf2f620e773457102b1828950ccb12931c103c01afdb",
      ]),
    ],
  },
  {
    id: "flickr8k-part",
    title: "Flickr8k, part: 1000 images of 64 x 64, 5000 captions",
    kind: "images",
    loader: "caption",
    licence: "not stated; the pictures belong to their authors, the set is handed out for research",
    citation: "Hodosh, Young, Hockenmaier: Framing image description as a ranking task (2013)",
    files: [
      unverified("captions", "captions/captions.tsv.gz", undefined, [
        "captions/captions.tsv.gz",
        112290,
        "ee8bae54a1a351629de0bd5caebe25413c2a61ed50299d9c3b46b6309814299b",
      ]),
      unverified("images", "captions/flickr8k_1000_rgb64.bin.gz", undefined, [
        "captions/flickr8k_1000_rgb64.bin.gz",
        11178356,
        "c12d0c3a6290fe4688092ec8913631738971dea7c5229f076271fa367ba83557",
      ]),
      unverified("jpeg", "captions/flickr8k_last100_jpeg.tar", undefined, [
        "captions/flickr8k_last100_jpeg.tar",
        3840000,
        "73a66023d9bcdcea1d0b049b256780392fed85c195eb9dcbd94d502652ceb477",
      ]),
    ],
  },
  {
    id: "surnames",
    title: "Surnames of 18 languages: 20050 lines",
    kind: "text",
    loader: "names",
    licence: "MIT (repository)",
    citation: "Robertson: practical-pytorch, classifying names with a character-level RNN (2017)",
    files: [
      unverified("Arabic", "names/Arabic.txt", surnames("Arabic"), [
        "names/Arabic.txt",
        13190,
        "6f424a8dbe51cbbbabab7a57d38b617210125e4e3991f3c657cb79b8f104bafc",
      ]),
      unverified("Chinese", "names/Chinese.txt", surnames("Chinese"), [
        "names/Chinese.txt",
        1246,
        "09ba8f1f7e38dbc99372d461b26ad4433b811fc6bfa6a3ecca6fe11a9a777465",
      ]),
      unverified("Czech", "names/Czech.txt", surnames("Czech"), [
        "names/Czech.txt",
        3916,
        "e17ab0ec47616a72c39cb85c783f70c3663ab64488721e5d8378f146d2226be7",
      ]),
      unverified("Dutch", "names/Dutch.txt", surnames("Dutch"), [
        "names/Dutch.txt",
        2351,
        "924f32b635170eae561f84538632138fc07d4c8bbd70ba3fb980de1ecc4d2af3",
      ]),
      unverified("English", "names/English.txt", surnames("English"), [
        "names/English.txt",
        27125,
        "9cca037066d3d5989e24bc01801416162de506b5e28e15b7c092a47905d29bf2",
      ]),
      unverified("French", "names/French.txt", surnames("French"), [
        "names/French.txt",
        2178,
        "81e65b36c60ed5b89a17422f6edcadbb89546f38ad69e960e64e7ba682012a95",
      ]),
      unverified("German", "names/German.txt", surnames("German"), [
        "names/German.txt",
        5610,
        "7449cd590b97a733e18d613a4155decd77ec35dc5f8aadd7a82204dce4f051db",
      ]),
      unverified("Greek", "names/Greek.txt", surnames("Greek"), [
        "names/Greek.txt",
        1981,
        "3555b5186de7f401e6d991b088e9e644ca3099116477818c25ab5793801389e6",
      ]),
      unverified("Irish", "names/Irish.txt", surnames("Irish"), [
        "names/Irish.txt",
        1858,
        "cf8c7013256252a88d2503127b87282a11f21b2ff6db1bded68834c19a1ec058",
      ]),
      unverified("Italian", "names/Italian.txt", surnames("Italian"), [
        "names/Italian.txt",
        5657,
        "f88414c27d0606a11a678b4859277828c2565d6cc4d9ee932deef6e94f3b35e4",
      ]),
      unverified("Japanese", "names/Japanese.txt", surnames("Japanese"), [
        "names/Japanese.txt",
        7622,
        "e0e717e114fec3e7eade4d9dabe0067c475f43147e36a22b47902ee76ad9e67f",
      ]),
      unverified("Korean", "names/Korean.txt", surnames("Korean"), [
        "names/Korean.txt",
        423,
        "cd54221ccb362a6cba4c78828838cf3268a0e59744767a37cf6ec4b74036b136",
      ]),
      unverified("Polish", "names/Polish.txt", surnames("Polish"), [
        "names/Polish.txt",
        1165,
        "45bab898af2f60ed3a728bbf6980e28821011a7caa53227553b5785903a40826",
      ]),
      unverified("Portuguese", "names/Portuguese.txt", surnames("Portuguese"), [
        "names/Portuguese.txt",
        554,
        "50a8735f41f4f73757c8ce5b16cb0275cd86b2b214bcbc8c9805f508cb131c53",
      ]),
      unverified("Russian", "names/Russian.txt", surnames("Russian"), [
        "names/Russian.txt",
        85168,
        "0cfe53ac18041e8f63666aa77313e0a3ff378facb132abee052d8ebdc8c3d62c",
      ]),
      unverified("Scottish", "names/Scottish.txt", surnames("Scottish"), [
        "names/Scottish.txt",
        752,
        "78d0252711d87d948ea86fe34826c51d2d794a8e52d15b5d6f7b6244d45d62dd",
      ]),
      unverified("Spanish", "names/Spanish.txt", surnames("Spanish"), [
        "names/Spanish.txt",
        2284,
        "1bcb462ed3316756a85781d68232bddae04498fdddd5d9219c53fd1fbdeba7a7",
      ]),
      unverified("Vietnamese", "names/Vietnamese.txt", surnames("Vietnamese"), [
        "names/Vietnamese.txt",
        339,
        "f3f9e4164ab47601178a6e45b216464a64122f49d05541f24bf18a757253281d",
      ]),
    ],
  },
];
