import type { Agent, Position } from '../gen/gad/v1/agent_pb';
import { type Emergency, EmergencyState } from '../gen/gad/v1/emergency_pb';
import { type Event, EventType, type SnapshotRow } from '../gen/gad/v1/event_pb';
import type { Kpi } from '../gen/gad/v1/statistics_pb';
import { type Task, TaskState } from '../gen/gad/v1/task_pb';
import { Cell } from '../cell';
import { compareTimes } from '../time';

/** What the pages see: a new object after every change, and a new map only for the noun that changed. */
export interface View {
  readonly tasks: ReadonlyMap<bigint, Task>;
  readonly agents: ReadonlyMap<bigint, Agent>;
  /** Latest fix of each agent. */
  readonly positions: ReadonlyMap<bigint, Position>;
  readonly emergencies: ReadonlyMap<bigint, Emergency>;
}

/** Runs a task a little later, so that a burst of events is one redraw. */
export type Later = (run: () => void) => void;

export const CLOSED_KEPT = 500;
const GONE_KEPT = 2000;

export function isOpen(task: Task): boolean {
  return task.state !== TaskState.FINISHED && task.state !== TaskState.CANCELLED;
}

/**
 * Rows by id, fed by the watch and by the answers of calls, in whatever order these come:
 * of two copies the one with the greater revision stays, of two fixes the newer.
 */
export class LiveStore {
  readonly view = new Cell<View>({ tasks: new Map(), agents: new Map(), positions: new Map(), emergencies: new Map() });
  /** How often the feed said that the bell rang, or that it was read. */
  readonly rung = new Cell(0);
  /** How much is open, for supervisors; `null` until the feed says it. */
  readonly kpi = new Cell<Kpi | null>(null);
  /** The latest fact, for those who ask again when something happens. */
  readonly fact = new Cell<Event | null>(null);
  #tasks = new Map<bigint, Task>();
  #agents = new Map<bigint, Agent>();
  #positions = new Map<bigint, Position>();
  #emergencies = new Map<bigint, Emergency>();
  /** Tasks out of sight: up to which revision, or `null` for "until the feed shows it again". */
  #gone = new Map<bigint, bigint | null>();
  #changed = new Set<keyof View>();
  #scheduled = false;

  constructor(
    private readonly later: Later,
    private readonly closedKept: number = CLOSED_KEPT,
  ) {}

  /** A fact of the feed. */
  apply(event: Event): void {
    const { resource, type } = event;
    switch (resource.case) {
      case 'task':
        if (this.#gone.get(resource.value.id) === null) this.#gone.delete(resource.value.id);
        this.#putTask(resource.value);
        break;
      case 'agent':
        if (type === EventType.AGENT_DELETED) this.#dropAgent(resource.value.id);
        else this.#putAgent(resource.value);
        break;
      case 'position':
        this.#putPosition(resource.value);
        break;
      case 'emergency':
        this.#putEmergency(resource.value);
        break;
      case 'notification':
        this.rung.set(this.rung.get() + 1);
        break;
      case 'kpi':
        this.kpi.set(resource.value);
        break;
      case 'hidden':
        if (resource.value.agentId !== 0n) this.#dropAgent(resource.value.agentId);
        else this.#dropTask(resource.value.taskId, null);
        break;
    }
    this.#flush();
    this.fact.set(event);
  }

  /** Tasks as a call answered them. */
  merge(tasks: readonly Task[]): void {
    for (const task of tasks) this.#putTask(task);
    this.#flush();
  }

  /** Emergencies as a call answered them. */
  mergeEmergencies(emergencies: readonly Emergency[]): void {
    for (const emergency of emergencies) this.#putEmergency(emergency);
    this.#flush();
  }

  /** A whole snapshot: what is not in it, is not there any more. */
  replace(rows: readonly SnapshotRow[]): void {
    this.#tasks.clear();
    this.#agents.clear();
    this.#positions.clear();
    this.#emergencies.clear();
    this.#gone.clear();
    this.#changed = new Set(['tasks', 'agents', 'positions', 'emergencies']);
    for (const { resource } of rows) {
      if (resource.case === 'task') this.#putTask(resource.value);
      else if (resource.case === 'agent') this.#putAgent(resource.value);
      else if (resource.case === 'emergency') this.#putEmergency(resource.value);
    }
    this.#flush();
  }

  #putTask(task: Task): void {
    if (task.deleteTime) return this.#dropTask(task.id, task.revision);
    const gone = this.#gone.get(task.id);
    if (gone === null || (gone !== undefined && gone >= task.revision)) return;
    const known = this.#tasks.get(task.id);
    if (known && known.revision >= task.revision) return;
    this.#gone.delete(task.id);
    this.#tasks.set(task.id, task);
    this.#changed.add('tasks');
  }

  #dropTask(id: bigint, revision: bigint | null): void {
    const known = this.#tasks.get(id);
    if (known && revision !== null && known.revision > revision) return;
    this.#gone.delete(id);
    this.#gone.set(id, revision);
    const [oldest] = this.#gone.keys();
    if (this.#gone.size > GONE_KEPT && oldest !== undefined) this.#gone.delete(oldest);
    if (this.#tasks.delete(id)) this.#changed.add('tasks');
    // Whoever may not see the task may not see what it is for.
    const emergency = [...this.#emergencies.values()].find(({ taskId }) => taskId === id);
    if (revision === null && emergency && this.#emergencies.delete(emergency.id)) this.#changed.add('emergencies');
  }

  #putAgent(agent: Agent): void {
    if (agent.deleteTime) return this.#dropAgent(agent.id);
    if (agent.position) this.#putPosition(agent.position);
    const known = this.#agents.get(agent.id);
    if (known && known.revision >= agent.revision) return;
    // Off duty, or without consent: where the agent was is nobody's business any more.
    if (!agent.position && this.#positions.delete(agent.id)) this.#changed.add('positions');
    this.#agents.set(agent.id, agent);
    this.#changed.add('agents');
  }

  #dropAgent(id: bigint): void {
    if (this.#agents.delete(id)) this.#changed.add('agents');
    if (this.#positions.delete(id)) this.#changed.add('positions');
  }

  #putPosition(position: Position): void {
    const known = this.#positions.get(position.agentId);
    if (known && compareTimes(known.fixTime, position.fixTime) >= 0) return;
    this.#positions.set(position.agentId, position);
    this.#changed.add('positions');
  }

  #putEmergency(emergency: Emergency): void {
    const known = this.#emergencies.get(emergency.id);
    if (known && known.revision >= emergency.revision) return;
    this.#emergencies.set(emergency.id, emergency);
    this.#changed.add('emergencies');
  }

  #flush(): void {
    if (this.#scheduled || this.#changed.size === 0) return;
    this.#scheduled = true;
    this.later(() => {
      this.#scheduled = false;
      this.#forgetOldest();
      const shown = this.view.get();
      const view = {
        tasks: this.#changed.has('tasks') ? new Map(this.#tasks) : shown.tasks,
        agents: this.#changed.has('agents') ? new Map(this.#agents) : shown.agents,
        positions: this.#changed.has('positions') ? new Map(this.#positions) : shown.positions,
        emergencies: this.#changed.has('emergencies') ? new Map(this.#emergencies) : shown.emergencies,
      };
      this.#changed.clear();
      this.view.set(view);
    });
  }

  #forgetOldest(): void {
    const closed = [...this.#tasks.values()].filter((task) => !isOpen(task));
    for (const task of this.#oldest(closed)) this.#tasks.delete(task.id);
    const over = [...this.#emergencies.values()].filter(({ state }) => state === EmergencyState.CLOSED);
    for (const emergency of this.#oldest(over)) this.#emergencies.delete(emergency.id);
  }

  /** Those beyond what is kept. */
  #oldest<Row extends { updateTime?: Task['updateTime'] }>(rows: Row[]): Row[] {
    if (rows.length <= this.closedKept) return [];
    return rows.sort((a, b) => compareTimes(b.updateTime, a.updateTime)).slice(this.closedKept);
  }
}
