import { useEffect } from 'react';
import { Cell, useCell } from '../cell';

/** Whether the alarm of this window may be heard. */
export const audible = new Cell(true);

const REPEAT_MILLIS = 8000;
/** Two tones, high and low: hertz, and seconds from the beginning. */
const TONES = [
  [880, 0],
  [660, 0.22],
] as const;
const TONE_SECONDS = 0.18;
const LOUDNESS = 0.25;

/** Sounds again and again while `ringing`. A browser lets no page sound that nobody has touched: then it stays silent. */
export function useAlarm(ringing: boolean): void {
  const heard = useCell(audible) && ringing;
  useEffect(() => {
    if (!heard) return;
    const context = new AudioContext();
    const ring = () => void context.resume().then(() => sound(context));
    ring();
    const timer = setInterval(ring, REPEAT_MILLIS);
    return () => {
      clearInterval(timer);
      void context.close();
    };
  }, [heard]);
}

function sound(context: AudioContext): void {
  if (context.state !== 'running') return;
  for (const [hertz, after] of TONES) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    const at = context.currentTime + after;
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(LOUDNESS, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + TONE_SECONDS);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + TONE_SECONDS);
  }
}
