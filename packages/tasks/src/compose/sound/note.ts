/** A note of a performance. */
export interface Note {
  /** MIDI's number: 60 is the middle C. */
  readonly pitch: number;
  /** Seconds from the beginning. */
  readonly start: number;
  readonly seconds: number;
  /** How strongly it is struck, up to 127. */
  readonly velocity: number;
}
