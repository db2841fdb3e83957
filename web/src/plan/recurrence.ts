/** How often, as a form has it. */
export type Every = 'none' | 'hours' | 'days' | 'weeks' | 'months' | 'rule';

export interface Rhythm {
  readonly every: Every;
  readonly interval: number;
  /** Of weeks: days as RFC 5545 names them; none: that of the first time. */
  readonly days: readonly string[];
  /** How many times in all; 0: without end. */
  readonly count: number;
  /** What the form cannot say otherwise. */
  readonly rule: string;
}

export const DAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;

export const NO_RHYTHM: Rhythm = { every: 'none', interval: 1, days: [], count: 0, rule: '' };

const FREQUENCIES = { hours: 'HOURLY', days: 'DAILY', weeks: 'WEEKLY', months: 'MONTHLY' } as const;

/** The rule of RFC 5545; empty: it does not repeat. */
export function ruleOf({ every, interval, days, count, rule }: Rhythm): string {
  if (every === 'none') return '';
  if (every === 'rule') return rule.trim().toUpperCase();
  const parts = [`FREQ=${FREQUENCIES[every]}`];
  if (interval > 1) parts.push(`INTERVAL=${interval}`);
  if (every === 'weeks' && days.length > 0) parts.push(`BYDAY=${DAYS.filter((day) => days.includes(day)).join(',')}`);
  if (count > 0) parts.push(`COUNT=${count}`);
  return parts.join(';');
}

/** The form of a rule; what it has no fields for stays a rule. */
export function rhythmOf(rule: string): Rhythm {
  if (rule === '') return NO_RHYTHM;
  const parts = new Map(rule.split(';').map((part) => part.split('=') as [string, string]));
  const every = (Object.keys(FREQUENCIES) as (keyof typeof FREQUENCIES)[]).find((one) => FREQUENCIES[one] === parts.get('FREQ'));
  const found: Rhythm = {
    every: every ?? 'rule',
    interval: Number(parts.get('INTERVAL') ?? 1),
    days: parts.get('BYDAY')?.split(',') ?? [],
    count: Number(parts.get('COUNT') ?? 0),
    rule,
  };
  return ruleOf(found) === rule ? found : { ...NO_RHYTHM, every: 'rule', rule };
}

/** A moment as the clocks of a time zone show it, as `<input type="datetime-local">` has it. */
export function wallTime(at: number, zone: string): string {
  const parts = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  return parts.format(at).replace(' ', 'T');
}

/** The moment at which clocks of a time zone show this; NaN: there is no such time or zone. */
export function momentOf(wall: string, zone: string): number {
  const asUtc = Date.parse(`${wall}Z`);
  if (Number.isNaN(asUtc)) return NaN;
  try {
    const shift = (at: number) => Date.parse(`${wallTime(at, zone)}Z`) - at;
    const near = asUtc - shift(asUtc);
    // Near a change of the clocks the first guess may stand on its other side.
    return asUtc - shift(near);
  } catch {
    return NaN;
  }
}
