import { Cell } from '../cell';

export interface Card {
  readonly id: bigint;
  readonly displayName: string;
}

export interface BookDeps {
  readonly ask: (ids: readonly bigint[]) => Promise<readonly Card[]>;
  readonly now: () => number;
  /** Runs a little later: what a screen draws at once is asked for at once. */
  readonly later: (run: () => void) => void;
}

/** Names change seldom; this old they are asked for again. */
const FRESH_MILLIS = 5 * 60_000;
const MOST_AT_ONCE = 1000;

interface Known {
  /** `null`: nobody, or nobody whom the caller may see. */
  readonly name: string | null;
  readonly since: number;
}

/** Names of people by number, asked for once and many at a time. */
export class NameBook {
  readonly names = new Cell<ReadonlyMap<bigint, Known>>(new Map());
  #wanted = new Set<bigint>();
  #asked = new Set<bigint>();
  #scheduled = false;

  constructor(private readonly deps: BookDeps) {}

  /** The name, if it is known by now; asks for it if it is not, or is old. */
  nameOf(id: bigint): string | null {
    const known = this.names.get().get(id);
    if (!known || this.deps.now() - known.since > FRESH_MILLIS) this.#want(id);
    return known?.name ?? null;
  }

  /** Another person may see other names. */
  clear(): void {
    this.#wanted.clear();
    this.#asked = new Set();
    if (this.names.get().size > 0) this.names.set(new Map());
  }

  #want(id: bigint): void {
    if (this.#asked.has(id)) return;
    this.#wanted.add(id);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.deps.later(() => void this.#fetch());
  }

  async #fetch(): Promise<void> {
    this.#scheduled = false;
    const ids = [...this.#wanted].slice(0, MOST_AT_ONCE);
    if (ids.length === 0) return;
    const asked = this.#asked;
    for (const id of ids) {
      this.#wanted.delete(id);
      asked.add(id);
    }
    let found: readonly Card[] = [];
    try {
      found = await this.deps.ask(ids);
    } catch {
      // Numbers stand in for names until they are asked for again.
    }
    if (asked !== this.#asked) return;
    for (const id of ids) asked.delete(id);
    const byId = new Map(found.map((card) => [card.id, card.displayName]));
    const since = this.deps.now();
    this.names.set(new Map([...this.names.get(), ...ids.map((id) => [id, { name: byId.get(id) ?? null, since }] as const)]));
  }
}
