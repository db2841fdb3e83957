import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import type { LatLng } from '../gen/gad/v1/geo_pb';
import { durationMillis, millis } from '../time';
import type { Language } from './language';

/** Numbers and times as people of a language write them, in the time zone of the screen. */
export class Format {
  readonly #day: Intl.DateTimeFormat;
  readonly #brief: Intl.DateTimeFormat;
  readonly #clock: Intl.DateTimeFormat;
  readonly #clockSeconds: Intl.DateTimeFormat;
  readonly #number: Intl.NumberFormat;

  constructor(language: Language) {
    const hour = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    this.#day = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', year: 'numeric', ...hour });
    this.#brief = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', ...hour });
    this.#clock = new Intl.DateTimeFormat(language, hour);
    this.#clockSeconds = new Intl.DateTimeFormat(language, { ...hour, second: '2-digit' });
    this.#number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  }

  /** Day and time. */
  moment(time: Timestamp): string {
    return this.#day.format(millis(time));
  }

  /** The time of today, or day and time. */
  brief(time: Timestamp): string {
    const at = millis(time);
    const isToday = new Date(at).toDateString() === new Date().toDateString();
    return (isToday ? this.#clock : this.#brief).format(at);
  }

  clock(at: number): string {
    return this.#clock.format(at);
  }

  clockSeconds(at: number): string {
    return this.#clockSeconds.format(at);
  }

  /** Two greatest units: `2 d 3 h`, `2 d`, `1 h 05 min`, `12 min`, `8 s`. */
  span(spanMillis: number): string {
    const seconds = Math.max(0, Math.floor(spanMillis / 1000));
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    if (seconds < 60) return `${seconds} s`;
    if (minutes < 60) return `${minutes} min`;
    if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
    const days = `${Math.floor(hours / 24)} d`;
    return hours % 24 === 0 ? days : `${days} ${hours % 24} h`;
  }

  duration(duration: Duration): string {
    return this.span(durationMillis(duration));
  }

  distance(meters: number): string {
    return meters < 1000 ? `${Math.round(meters)} m` : `${this.#number.format(meters / 1000)} km`;
  }

  speed(metersPerSecond: number): string {
    return `${this.#number.format(metersPerSecond * 3.6)} km/h`;
  }

  bytes(count: bigint): string {
    const kilobytes = Number(count) / 1024;
    if (kilobytes < 1) return `${count} B`;
    return kilobytes < 1024 ? `${this.#number.format(kilobytes)} KB` : `${this.#number.format(kilobytes / 1024)} MB`;
  }

  place(location: LatLng): string {
    return `${location.latitude.toFixed(5)}, ${location.longitude.toFixed(5)}`;
  }
}
