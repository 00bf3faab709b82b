import type { Note } from "./note.ts";

/** Samples a second: enough for overtones up to 8 kHz. */
export const RATE = 16_000;

/** Loudness of the overtones of a plucked string, the fundamental first. */
const overtones = [1, 0.5, 0.25, 0.12, 0.06];

/** Seconds in which a note is struck, halves while held, and fades when it is let go. */
const [ATTACK, HALF_LIFE, RELEASE] = [0.01, 0.4, 0.08];

/** Notes as a WAV file: mono, 16 bits, 16 kHz; each is a sum of sines that fades like a plucked string. */
export function waveFile(notes: readonly Note[]): Uint8Array {
  const end = notes.reduce((last, { start, seconds }) => Math.max(last, start + seconds), 0);
  const sound = new Float32Array(Math.ceil((end + RELEASE) * RATE) + 1);
  for (const note of notes) addNote(sound, note);
  let loudest = 0;
  for (const value of sound) loudest = Math.max(loudest, Math.abs(value));
  return encode(sound, loudest === 0 ? 0 : 0.9 / loudest);
}

function addNote(sound: Float32Array, { pitch, start, seconds, velocity }: Note): void {
  const frequency = 440 * 2 ** ((pitch - 69) / 12);
  const from = Math.round(start * RATE);
  const length = Math.floor((seconds + RELEASE) * RATE);
  // Above half the rate an overtone would come back as a wrong tone.
  const heard = overtones.filter((_, n) => frequency * (n + 1) < RATE / 2);
  for (let i = 0; i < length; i++) {
    const t = i / RATE;
    const fade = Math.min(1, t / ATTACK, (seconds + RELEASE - t) / RELEASE);
    let value = 0;
    for (const [n, share] of heard.entries()) {
      value += share * Math.sin(2 * Math.PI * frequency * (n + 1) * t);
    }
    sound[from + i]! += (velocity / 127) * fade * 2 ** (-t / HALF_LIFE) * value;
  }
}

/** RIFF header of 44 bytes, then the samples. */
function encode(sound: Float32Array, gain: number): Uint8Array {
  const bytes = new Uint8Array(44 + 2 * sound.length);
  const view = new DataView(bytes.buffer);
  const text = (at: number, letters: string) => bytes.set(new TextEncoder().encode(letters), at);
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * sound.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a sample
  view.setUint16(34, 16, true); // bits a sample
  text(36, "data");
  view.setUint32(40, 2 * sound.length, true);
  for (const [i, value] of sound.entries()) {
    view.setInt16(44 + 2 * i, Math.round(32767 * gain * value), true);
  }
  return bytes;
}
