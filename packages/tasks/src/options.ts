import { UserError } from "./errors.ts";

/** Reads an option that is a whole number. */
export const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new UserError(`it must be a whole number from ${least}.`);
  };

/** Reads an option that is a number in a range. */
export const between =
  (low: number, high: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && value >= low && value <= high) return value;
    throw new UserError(`it must be a number from ${low} to ${high}.`);
  };
