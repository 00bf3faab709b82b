import { data } from "tensorlane";
import { type PictureBlock, sharedBytes } from "./set.ts";

const SIDE = 28;
const STREAM = 0x64696769;

/** A stroke: points in a unit square, joined by lines. */
type Stroke = readonly (readonly [number, number])[];

/** Points of an ellipse, angles in turns, clockwise from the right. */
function arc(x: number, y: number, rx: number, ry: number, from = 0, to = 1): Stroke {
  const steps = 16;
  return Array.from({ length: steps + 1 }, (_, i) => {
    const angle = 2 * Math.PI * (from + ((to - from) * i) / steps);
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)] as const;
  });
}

/** How the digits are drawn, y downwards. */
const digits: readonly (readonly Stroke[])[] = [
  [arc(0.5, 0.5, 0.26, 0.4)],
  [
    [
      [0.35, 0.25],
      [0.55, 0.1],
      [0.55, 0.9],
    ],
  ],
  [
    arc(0.5, 0.33, 0.25, 0.23, 0.5, 1.1),
    [
      [0.7, 0.47],
      [0.25, 0.9],
      [0.78, 0.9],
    ],
  ],
  [arc(0.47, 0.3, 0.23, 0.2, 0.55, 1.25), arc(0.47, 0.7, 0.27, 0.2, 0.75, 1.45)],
  [
    [
      [0.65, 0.9],
      [0.65, 0.1],
      [0.22, 0.62],
      [0.82, 0.62],
    ],
  ],
  [
    [
      [0.74, 0.1],
      [0.32, 0.1],
      [0.29, 0.46],
    ],
    arc(0.48, 0.66, 0.27, 0.24, 0.65, 1.4),
  ],
  [
    [
      [0.62, 0.1],
      [0.36, 0.42],
    ],
    arc(0.5, 0.67, 0.24, 0.23),
  ],
  [
    [
      [0.24, 0.1],
      [0.76, 0.1],
      [0.42, 0.9],
    ],
  ],
  [arc(0.5, 0.3, 0.2, 0.2), arc(0.5, 0.71, 0.25, 0.2)],
  [
    arc(0.5, 0.33, 0.24, 0.23),
    [
      [0.74, 0.33],
      [0.66, 0.9],
    ],
  ],
];

/** Distance of a point from the line between two others. */
function distance(x: number, y: number, a: Stroke[number], b: Stroke[number]): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const along = ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy || 1);
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}

/**
 * Made-up handwritten digits: strokes that are moved, turned, slanted, stretched and bent at random. They look
 * like MNIST's and are easier; no figure reached on them says anything about real handwriting.
 *
 * @example simulateDigits({ count: 1000, seed: 1 })
 */
export function simulateDigits(options: {
  readonly count: number;
  readonly seed: number;
}): PictureBlock {
  const { count, seed } = options;
  const pixels = sharedBytes(count * SIDE * SIDE);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  for (let i = 0; i < count; i++) {
    draw(labels[i]!, data.randomStream(seed, STREAM, i), pixels.subarray(i * SIDE ** 2));
  }
  return { pixels, labels, channels: 1, side: SIDE };
}

function draw(digit: number, random: data.RandomStream, pixels: Uint8Array): void {
  const angle = 0.15 * random.normal();
  const slant = 0.2 * random.normal();
  const [wide, high] = [0.72 * (1 + 0.12 * random.normal()), 0.72 * (1 + 0.08 * random.normal())];
  const [left, top] = [0.5 + 0.04 * random.normal(), 0.5 + 0.04 * random.normal()];
  const wobble = Array.from({ length: 4 }, () => 0.03 * random.normal());
  const pen = 0.035 + 0.02 * random.uniform();
  const place = ([px, py]: Stroke[number]): [number, number] => {
    const x = px - 0.5 + wobble[0]! * Math.sin(6 * py) + wobble[1]! * Math.cos(5 * py);
    const y = py - 0.5 + wobble[2]! * Math.sin(6 * px) + wobble[3]! * Math.cos(5 * px);
    const [sx, sy] = [wide * (x - slant * y), high * y];
    return [
      left + sx * Math.cos(angle) - sy * Math.sin(angle),
      top + sx * Math.sin(angle) + sy * Math.cos(angle),
    ];
  };
  const strokes = digits[digit]!.map((stroke) => stroke.map(place));
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const [px, py] = [(x + 0.5) / SIDE, (y + 0.5) / SIDE];
      let nearest = 1;
      for (const stroke of strokes) {
        for (let k = 1; k < stroke.length; k++) {
          nearest = Math.min(nearest, distance(px, py, stroke[k - 1]!, stroke[k]!));
        }
      }
      // Full ink inside the pen's width, fading over one pixel, with a little noise where there is ink.
      const ink = Math.min(1, Math.max(0, (pen - nearest) * SIDE + 0.5));
      pixels[y * SIDE + x] = Math.round(255 * ink * (1 - 0.15 * random.uniform()));
    }
  }
}
