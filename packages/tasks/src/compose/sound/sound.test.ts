import { parseMidi } from "midi-file";
import { expect, test } from "vitest";
import { midiFile } from "./midi.ts";
import type { Note } from "./note.ts";
import { RATE, waveFile } from "./wave.ts";

const notes: readonly Note[] = [
  { pitch: 69, start: 0, seconds: 0.5, velocity: 100 },
  { pitch: 72, start: 0.25, seconds: 0.25, velocity: 64 },
  { pitch: 69, start: 0.5, seconds: 0.5, velocity: 90 },
];

test("a MIDI file says the notes again", () => {
  const { header, tracks } = parseMidi(midiFile(notes, "two keys"));
  const [events] = tracks;
  expect(events![0]).toMatchObject({ type: "trackName", text: "two keys" });
  const tempo = events!.find((event) => event.type === "setTempo");
  const second =
    (1e6 / (tempo as { microsecondsPerBeat: number }).microsecondsPerBeat) * header.ticksPerBeat!;
  const open = new Map<number, { start: number; velocity: number }>();
  const found: Note[] = [];
  let now = 0;
  for (const event of events!) {
    now += event.deltaTime / second;
    if (event.type === "noteOn")
      open.set(event.noteNumber, { start: now, velocity: event.velocity });
    if (event.type !== "noteOff") continue;
    const { start, velocity } = open.get(event.noteNumber)!;
    found.push({ pitch: event.noteNumber, start, seconds: now - start, velocity });
  }
  const inOrder = (all: readonly Note[]) => [...all].sort((a, b) => a.start - b.start);
  expect(inOrder(found)).toEqual(inOrder(notes));
});

test("a WAV file has the length, the loudness and the pitch of its notes", () => {
  const bytes = waveFile(notes.slice(0, 1));
  const view = new DataView(bytes.buffer);
  expect(new TextDecoder().decode(bytes.subarray(0, 4))).toBe("RIFF");
  expect([view.getUint32(4, true), view.getUint32(40, true)]).toEqual([
    bytes.length - 8,
    bytes.length - 44,
  ]);
  const sound = new Int16Array(bytes.buffer, 44);
  expect(sound.length / RATE).toBeCloseTo(0.58, 2);
  expect(Math.max(...sound.map(Math.abs))).toBe(Math.round(0.9 * 32767));
  // How much of a frequency is in it: most of 440 Hz, little beside it.
  const share = (frequency: number) => {
    let [re, im] = [0, 0];
    for (const [i, value] of sound.entries()) {
      re += value * Math.cos((2 * Math.PI * frequency * i) / RATE);
      im += value * Math.sin((2 * Math.PI * frequency * i) / RATE);
    }
    return Math.hypot(re, im);
  };
  expect(share(440)).toBeGreaterThan(1.5 * share(880));
  expect(share(440)).toBeGreaterThan(10 * share(523.25));
  expect(waveFile([]).length).toBeGreaterThan(44);
});
