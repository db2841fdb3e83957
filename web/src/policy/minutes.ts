import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { durationMillis } from '../time';
import { numberOf } from '../ui/lines';

/** A duration as minutes in a field; empty for none. */
export function minutesOf(duration: Duration | undefined): string {
  const minutes = duration ? durationMillis(duration) / 60_000 : 0;
  return minutes > 0 ? String(Math.round(minutes * 1000) / 1000) : '';
}

/** Whole seconds of minutes as typed; what is no number is none. */
export function secondsOf(text: string): Duration {
  return create(DurationSchema, { seconds: BigInt(Math.round((numberOf(text) ?? 0) * 60)) });
}
