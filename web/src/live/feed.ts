import { Code, ConnectError } from '@connectrpc/connect';
import { EndReason, type SnapshotRow, type WatchResponse } from '../gen/gad/v1/event_pb';
import { ErrorInfoSchema, RetryInfoSchema } from '../gen/google/rpc/error_details_pb';
import { durationMillis } from '../time';
import { Cell } from '../cell';
import { nextStep, type Outcome } from './pace';
import type { LiveStore } from './store';

export type Phase = 'connecting' | 'live' | 'reconnecting' | 'offline';

export interface FeedStatus {
  readonly phase: Phase;
  /** When the feed last said something; `null` while it is live and before it first was. */
  readonly lastLiveAt: number | null;
  /** Grows with every snapshot: what came by other ways must be asked for again. */
  readonly snapshots: number;
}

export interface FeedDeps {
  readonly watch: (
    request: { cursor: string; includeSnapshot: boolean },
    options: { signal: AbortSignal },
  ) => AsyncIterable<WatchResponse>;
  readonly store: LiveStore;
  /** Gets a fresh token; false: nobody is signed in any more. */
  readonly renew: () => Promise<boolean>;
}

/** The server sends a checkpoint when idle; a longer silence than this is a dead connection. */
export const SILENCE_MILLIS = 45_000;
/** So long "reconnecting" may last before the screen says that there is no connection. */
const PATIENCE_MILLIS = 10_000;

/** Keeps one watch open and the store true; says at any time whether what is on the screen is live. */
export class LiveFeed {
  readonly status = new Cell<FeedStatus>({ phase: 'connecting', lastLiveAt: null, snapshots: 0 });
  #whole = new AbortController();
  #call = new AbortController();
  #wake: () => void = () => {};
  #cursor = '';
  #failures = 0;
  #heardAt: number | null = null;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly deps: FeedDeps) {}

  start(): void {
    const { signal } = this.#whole;
    this.#loseLive('connecting');
    window.addEventListener('online', () => this.retryNow(), { signal });
    window.addEventListener('offline', () => this.#call.abort(), { signal });
    void this.#run(signal);
  }

  stop(): void {
    this.#whole.abort();
    this.#call.abort();
    clearTimeout(this.#patience);
    this.#wake();
  }

  /** Ends a wait between two calls. */
  readonly retryNow = (): void => this.#wake();

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const outcome = await this.#watch();
      if (signal.aborted) return;
      const step = nextStep(outcome, this.#failures, Math.random());
      if (step.kind === 'renew' && !(await this.#renewed())) return;
      if (step.kind === 'renew' || step.from === 'snapshot') this.#cursor = '';
      this.#failures += 1;
      this.#loseLive('reconnecting');
      await this.#wait(step.waitMillis);
    }
  }

  /** Without an answer nobody knows: then the next call will tell. */
  async #renewed(): Promise<boolean> {
    try {
      return await this.deps.renew();
    } catch {
      return true;
    }
  }

  /** One call, from its beginning to its end. */
  async #watch(): Promise<Outcome> {
    this.#call = new AbortController();
    const { signal } = this.#call;
    let dog = setTimeout(() => this.#call.abort(), SILENCE_MILLIS);
    let rows: SnapshotRow[] | null = this.#cursor === '' ? [] : null;
    try {
      const request = { cursor: this.#cursor, includeSnapshot: this.#cursor === '' };
      for await (const message of this.deps.watch(request, { signal })) {
        clearTimeout(dog);
        dog = setTimeout(() => this.#call.abort(), SILENCE_MILLIS);
        const { item } = message;
        if (item.case === 'end') return this.#ended(item.value.reason, message.cursor, rows === null);
        if (item.case === 'snapshotRow') rows?.push(item.value);
        if (item.case === 'snapshotEnd' && rows) {
          this.deps.store.replace(rows);
          rows = null;
          this.#set({ snapshots: this.status.get().snapshots + 1 });
        }
        if (rows === null) this.#live(message);
      }
      return { kind: 'cut' };
    } catch (error) {
      return signal.aborted ? { kind: 'cut' } : refusal(error);
    } finally {
      clearTimeout(dog);
      this.#call.abort();
    }
  }

  #live({ cursor, item }: WatchResponse): void {
    if (item.case === 'event') this.deps.store.apply(item.value);
    if (cursor !== '') this.#cursor = cursor;
    this.#failures = 0;
    this.#heardAt = Date.now();
    if (this.status.get().phase === 'live') return;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#set({ phase: 'live', lastLiveAt: null });
  }

  #loseLive(phase: 'connecting' | 'reconnecting'): void {
    const lost = () => this.#set({ phase: 'offline' });
    this.#patience ??= setTimeout(lost, PATIENCE_MILLIS);
    const offline = this.status.get().phase === 'offline' || !navigator.onLine;
    this.#set({ phase: offline ? 'offline' : phase, lastLiveAt: this.#heardAt });
  }

  /** A cursor from the middle of a snapshot is of no use: the rows before it were not kept. */
  #ended(reason: EndReason, cursor: string, whole: boolean): Outcome {
    if (whole && cursor !== '') this.#cursor = cursor;
    return { kind: 'end', reason };
  }

  async #wait(waitMillis: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMillis);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #set(change: Partial<FeedStatus>): void {
    this.status.set({ ...this.status.get(), ...change });
  }
}

function refusal(error: unknown): Outcome {
  const refused = ConnectError.from(error);
  if (refused.code === Code.Canceled) return { kind: 'cut' };
  const wait = refused.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    kind: 'refused',
    code: refused.code,
    reason: refused.findDetails(ErrorInfoSchema)[0]?.reason ?? '',
    retryAfterMillis: wait ? durationMillis(wait) : 0,
  };
}
