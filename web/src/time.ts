import { create } from '@bufbuild/protobuf';
import { type Duration, type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';

export function millis(time: Timestamp): number {
  return Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6);
}

export function durationMillis(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** Negative if `a` is earlier. An absent time is earlier than any other. */
export function compareTimes(a: Timestamp | undefined, b: Timestamp | undefined): number {
  if (!a || !b) return Number(Boolean(a)) - Number(Boolean(b));
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos - b.nanos;
}

export function timestamp(at: number): Timestamp {
  const seconds = Math.floor(at / 1000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: Math.round((at - seconds * 1000) * 1e6) });
}
