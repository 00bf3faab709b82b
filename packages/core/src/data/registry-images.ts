import type { DataEntry } from "./registry.ts";
import { unverified, verified } from "./registry-traffic.ts";

// The copy of LeCun's files that TensorFlow Datasets fetches; many projects pin these hashes.
const mnist = (file: string) => `https://storage.googleapis.com/cvdf-datasets/mnist/${file}`;
// The archive that the benchmark's own page links to. Public projects pin MD5 sums, no SHA-256.
const gtsrb = (file: string) =>
  `https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/${file}`;
const lecun = "LeCun et al.: Gradient-based learning applied to document recognition (1998)";
const krizhevsky = "Krizhevsky: Learning multiple layers of features from tiny images (2009)";
const stallkamp =
  "Stallkamp et al.: Man vs. computer, benchmarking machine learning algorithms for traffic sign recognition (2012)";

/** Labelled images. */
export const imageEntries: readonly DataEntry[] = [
  {
    id: "mnist",
    title: "MNIST: handwritten digits, 60000 + 10000 images of 28 x 28",
    kind: "images",
    licence: "not stated by the sources for the data",
    citation: lecun,
    loader: "classify",
    files: [
      verified(
        "trainImages",
        "digits/train-images-idx3-ubyte.gz",
        mnist("train-images-idx3-ubyte.gz"),
        [9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"],
        [
          "digits/train-images-idx3-ubyte.gz",
          9630610,
          "71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64",
        ],
      ),
      verified(
        "trainLabels",
        "digits/train-labels-idx1-ubyte.gz",
        mnist("train-labels-idx1-ubyte.gz"),
        [28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"],
        [
          "digits/train-labels-idx1-ubyte.gz",
          28878,
          "fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e",
        ],
      ),
      verified(
        "testImages",
        "digits/t10k-images-idx3-ubyte.gz",
        mnist("t10k-images-idx3-ubyte.gz"),
        [1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"],
        [
          "digits/t10k-images-idx3-ubyte.gz",
          1602050,
          "5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341",
        ],
      ),
      verified(
        "testLabels",
        "digits/t10k-labels-idx1-ubyte.gz",
        mnist("t10k-labels-idx1-ubyte.gz"),
        [4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"],
        [
          "digits/t10k-labels-idx1-ubyte.gz",
          4517,
          "ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6",
        ],
      ),
    ],
  },
  {
    id: "cifar10",
    title: "CIFAR-10: 50000 + 10000 colour images of 32 x 32",
    kind: "images",
    licence: "not stated",
    citation: krizhevsky,
    loader: "classify",
    files: [
      verified(
        "archive",
        "images/cifar-10-binary.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        [170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"],
      ),
    ],
  },
  {
    id: "cifar10-part",
    title: "CIFAR-10, part: 10000 + 2000 colour images of 32 x 32 (JPEG copies)",
    kind: "images",
    licence: "not stated",
    citation: krizhevsky,
    loader: "classify",
    files: [
      unverified("train", "images/cifar10_train.bin.gz", undefined, [
        "images/cifar10_train.bin.gz",
        28877138,
        "df2189f78feaf5b58a83d52d2639c5194c867463211008f3f0e98273e0082c95",
      ]),
      unverified("test", "images/cifar10_test.bin.gz", undefined, [
        "images/cifar10_test.bin.gz",
        5784905,
        "f2473184a93f0a888a25efd6574e2d0d7b7163f498d384a246cfa8bcbdc33ecc",
      ]),
    ],
  },
  {
    id: "gtsrb",
    title: "German traffic signs: 39209 + 12630 images of 15 to 250 pixels, 43 classes",
    kind: "images",
    licence: "not stated",
    citation: stallkamp,
    loader: "classify",
    files: [
      unverified(
        "train",
        "signs/GTSRB_Final_Training_Images.zip",
        gtsrb("GTSRB_Final_Training_Images.zip"),
      ),
      unverified("test", "signs/GTSRB_Final_Test_Images.zip", gtsrb("GTSRB_Final_Test_Images.zip")),
      unverified("truth", "signs/GTSRB_Final_Test_GT.zip", gtsrb("GTSRB_Final_Test_GT.zip")),
    ],
  },
  {
    id: "gtsrb-part",
    title: "German traffic signs, part: 3440 + 1029 images of 35 x 35, 43 classes",
    kind: "images",
    licence: "not stated",
    citation: stallkamp,
    loader: "classify",
    files: [
      unverified("train", "signs/gtsrb35_train.bin.gz", undefined, [
        "signs/gtsrb35_train.bin.gz",
        10591841,
        "fa58211069b19e95b160eb50d617b4b63c29f2580c034b1701e6e8e751692251",
      ]),
      unverified("test", "signs/gtsrb35_test.bin.gz", undefined, [
        "signs/gtsrb35_test.bin.gz",
        3163078,
        "c9ee342311c26584b0686862f51db1e5737c4f9a2fc026abcf6f5162815e736f",
      ]),
      unverified("classes", "signs/classes.csv", undefined, [
        "signs/classes.csv",
        1587,
        "3754466d054f747c0764856aeb497dbfd90f87ffe351cda4175db17a4b3c7cc9",
      ]),
    ],
  },
];
