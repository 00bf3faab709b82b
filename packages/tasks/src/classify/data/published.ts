import type { PublishedResult } from "./set.ts";

const lecun = "LeCun et al. 1998 (table of the MNIST page)";
const suite = "github.com/zalandoresearch/fashion-mnist, its MNIST column";
const cifar = "github.com/kuangliu/pytorch-cifar";

/** Test errors in per cent that others report on the whole sets. */
export const published = {
  mnist: [
    { name: "linear classifier", error: 12, source: lecun },
    { name: "k nearest neighbours, L2", error: 5, source: lecun },
    { name: "LeNet-1", error: 1.7, source: lecun },
    { name: "LeNet-4", error: 1.1, source: lecun },
    { name: "LeNet-5", error: 0.95, source: lecun },
    { name: "LeNet-5, with distortions", error: 0.8, source: lecun },
    { name: "two convolutions, below 100 k parameters", error: 0.8, source: suite },
    { name: "three convolutions, batch norm", error: 0.6, source: suite },
  ],
  cifar10: [
    { name: "VGG-16", error: 7.36, source: cifar },
    { name: "ResNet-18", error: 6.98, source: cifar },
    { name: "ResNet-50", error: 6.38, source: cifar },
    { name: "PreAct ResNet-18", error: 4.89, source: cifar },
    { name: "ResNet-20", error: 8.75, source: "He et al. 2016, table 6" },
    { name: "ResNet-56", error: 6.97, source: "He et al. 2016, table 6" },
  ],
  gtsrb: [
    { name: "human", error: 1.16, source: "Stallkamp et al. 2012" },
    { name: "committee of networks", error: 0.54, source: "Ciresan et al. 2012" },
    {
      name: "multi-scale network",
      error: 1.38,
      source: "github.com/Henvezz95/GTSRB-Classification, after Sermanet & LeCun",
    },
  ],
} as const satisfies Record<string, readonly PublishedResult[]>;
