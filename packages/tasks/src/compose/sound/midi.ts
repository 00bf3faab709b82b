import { type MidiEvent, writeMidi } from "midi-file";
import type { Note } from "./note.ts";

/** At 120 quarters a minute a quarter lasts half a second. */
const TICKS_A_QUARTER = 480;
const TICKS_A_SECOND = 2 * TICKS_A_QUARTER;

/** Notes as a MIDI file of one track. */
export function midiFile(notes: readonly Note[], title: string): Uint8Array {
  const strikes = notes.flatMap(({ pitch, start, seconds, velocity }) => [
    { at: Math.round(start * TICKS_A_SECOND), pitch, velocity },
    { at: Math.round((start + seconds) * TICKS_A_SECOND), pitch, velocity: 0 },
  ]);
  // At the same moment a key is let go before it is struck again.
  strikes.sort((a, b) => a.at - b.at || a.velocity - b.velocity);
  const events: MidiEvent[] = [
    { deltaTime: 0, meta: true, type: "trackName", text: title },
    { deltaTime: 0, meta: true, type: "setTempo", microsecondsPerBeat: 500_000 },
  ];
  let now = 0;
  for (const { at, pitch, velocity } of strikes) {
    const type = velocity > 0 ? "noteOn" : "noteOff";
    events.push({ deltaTime: at - now, type, channel: 0, noteNumber: pitch, velocity });
    now = at;
  }
  events.push({ deltaTime: 0, meta: true, type: "endOfTrack" });
  const header = { format: 0 as const, numTracks: 1, ticksPerBeat: TICKS_A_QUARTER };
  return Uint8Array.from(writeMidi({ header, tracks: [events] }));
}
