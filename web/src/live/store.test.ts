import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, test } from 'vitest';
import { AgentSchema, PositionSchema } from '../gen/gad/v1/agent_pb';
import { EmergencySchema, EmergencyState } from '../gen/gad/v1/emergency_pb';
import { EventSchema, EventType, HiddenSchema, SnapshotRowSchema } from '../gen/gad/v1/event_pb';
import { KpiSchema } from '../gen/gad/v1/statistics_pb';
import { TaskSchema, TaskState } from '../gen/gad/v1/task_pb';
import { timestamp } from '../time';
import { LiveStore } from './store';

type TaskInit = MessageInitShape<typeof TaskSchema>;

let store: LiveStore;
let redraws: number;

const task = (init: TaskInit) => create(TaskSchema, { state: TaskState.SCHEDULED, revision: 1n, ...init });
const position = (agentId: bigint, at: number, latitude = 0) =>
  create(PositionSchema, { agentId, fixTime: timestamp(at), location: { latitude, longitude: 0 } });
const agent = (id: bigint, revision = 1n, code = 'E-1') => create(AgentSchema, { id, revision, code });

const happens = (type: EventType, resource: MessageInitShape<typeof EventSchema>['resource']) =>
  store.apply(create(EventSchema, { type, ...(resource && { resource }) }));
const taskHappens = (init: TaskInit, type = EventType.TASK_UPDATED) => happens(type, { case: 'task', value: task(init) });
const hides = (taskId: bigint) =>
  happens(EventType.TASK_HIDDEN, { case: 'hidden', value: create(HiddenSchema, { taskId }) });
const moves = (...fix: Parameters<typeof position>) =>
  happens(EventType.AGENT_MOVED, { case: 'position', value: position(...fix) });
const titleOf = (id: bigint) => store.view.get().tasks.get(id)?.title;

beforeEach(() => {
  redraws = 0;
  store = new LiveStore((run) => run(), 3);
  store.view.subscribe(() => (redraws += 1));
});

test('whoever asks again when something happens hears every fact, also one that changes no row', () => {
  const heard: (EventType | undefined)[] = [];
  store.fact.subscribe(() => heard.push(store.fact.get()?.type));
  taskHappens({ id: 1n });
  taskHappens({ id: 1n }, EventType.TASK_COMMENTED);
  expect(heard).toEqual([EventType.TASK_UPDATED, EventType.TASK_COMMENTED]);
});

test('the counts are those that came last', () => {
  happens(EventType.KPI_CHANGED, { case: 'kpi', value: create(KpiSchema, { scheduledCount: 3n }) });
  happens(EventType.KPI_CHANGED, { case: 'kpi', value: create(KpiSchema, { scheduledCount: 2n }) });
  expect(store.kpi.get()?.scheduledCount).toBe(2n);
});

describe('tasks', () => {
  test('of two copies the greater revision stays, in either order', () => {
    taskHappens({ id: 1n, revision: 2n, title: 'second' });
    store.merge([task({ id: 1n, revision: 1n, title: 'first' })]);
    expect(titleOf(1n)).toBe('second');
    store.merge([task({ id: 1n, revision: 3n, title: 'third' })]);
    taskHappens({ id: 1n, revision: 2n, title: 'second' });
    expect(titleOf(1n)).toBe('third');
  });

  test('a repeated event redraws nothing', () => {
    taskHappens({ id: 1n });
    taskHappens({ id: 1n });
    expect(redraws).toBe(1);
  });

  test('a hidden task goes, and an answer that was under way does not bring it back', () => {
    taskHappens({ id: 1n, revision: 4n });
    hides(1n);
    store.merge([task({ id: 1n, revision: 5n })]);
    expect(store.view.get().tasks.size).toBe(0);
  });

  test('a hidden task that the feed shows again is there again', () => {
    hides(1n);
    taskHappens({ id: 1n, revision: 6n, title: 'mine again' }, EventType.TASK_ASSIGNED);
    expect(titleOf(1n)).toBe('mine again');
  });

  test('a deleted task goes, older copies of it do not count, and a later one brings it back', () => {
    taskHappens({ id: 1n, revision: 2n });
    taskHappens({ id: 1n, revision: 3n, deleteTime: timestamp(1) }, EventType.TASK_DELETED);
    store.merge([task({ id: 1n, revision: 2n })]);
    expect(store.view.get().tasks.size).toBe(0);
    taskHappens({ id: 1n, revision: 4n }, EventType.TASK_UNDELETED);
    expect(store.view.get().tasks.size).toBe(1);
  });

  test('a deletion that comes late does not take a restored task away', () => {
    taskHappens({ id: 1n, revision: 4n });
    store.merge([task({ id: 1n, revision: 3n, deleteTime: timestamp(1) })]);
    expect(store.view.get().tasks.size).toBe(1);
  });
});

describe('closed tasks', () => {
  test('only the latest ones are kept; open ones all', () => {
    for (let id = 1n; id <= 6n; id++) taskHappens({ id });
    for (let id = 11n; id <= 15n; id++) {
      taskHappens({ id, state: TaskState.FINISHED, updateTime: timestamp(Number(id) * 1000) });
    }
    const ids = [...store.view.get().tasks.keys()];
    expect(ids).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 13n, 14n, 15n]);
  });
});

describe('agents and positions', () => {
  test('the newest fix stays, whatever comes last', () => {
    moves(1n, 2000, 2);
    moves(1n, 1000, 1);
    expect(store.view.get().positions.get(1n)?.location?.latitude).toBe(2);
  });

  test('a row of an agent brings its fix, but not an older one', () => {
    moves(1n, 2000, 2);
    const row = create(AgentSchema, { ...agent(1n), position: position(1n, 1500, 1) });
    happens(EventType.AGENT_UPDATED, { case: 'agent', value: row });
    expect(store.view.get().agents.get(1n)?.code).toBe('E-1');
    expect(store.view.get().positions.get(1n)?.location?.latitude).toBe(2);
  });

  test('a moved agent leaves the map of tasks as it is', () => {
    taskHappens({ id: 1n });
    const before = store.view.get().tasks;
    moves(1n, 1000);
    expect(store.view.get().tasks).toBe(before);
  });

  test('an agent that is shown without a position has none any more', () => {
    const at = create(AgentSchema, { ...agent(1n), position: position(1n, 1000, 1) });
    happens(EventType.AGENT_CREATED, { case: 'agent', value: at });
    happens(EventType.AGENT_AVAILABILITY_CHANGED, { case: 'agent', value: agent(1n, 2n) });
    expect(store.view.get().positions.size).toBe(0);
    // An older copy that comes late takes nothing away.
    moves(1n, 2000, 2);
    happens(EventType.AGENT_UPDATED, { case: 'agent', value: agent(1n, 1n) });
    expect(store.view.get().positions.size).toBe(1);
  });

  test('a deleted agent goes with its position', () => {
    happens(EventType.AGENT_CREATED, { case: 'agent', value: agent(1n) });
    moves(1n, 1000);
    happens(EventType.AGENT_DELETED, { case: 'agent', value: agent(1n, 2n) });
    expect(store.view.get().agents.size + store.view.get().positions.size).toBe(0);
  });
});

describe('a snapshot', () => {
  const row = (resource: NonNullable<MessageInitShape<typeof SnapshotRowSchema>['resource']>) =>
    create(SnapshotRowSchema, { resource });

  test('replaces everything, even by lower revisions, in one redraw', () => {
    taskHappens({ id: 1n, revision: 9n, title: 'of a lost future' });
    taskHappens({ id: 2n });
    hides(3n);
    redraws = 0;
    store.replace([
      row({ case: 'task', value: task({ id: 1n, revision: 5n, title: 'restored' }) }),
      row({ case: 'task', value: task({ id: 3n }) }),
      row({ case: 'agent', value: agent(1n) }),
    ]);
    expect(titleOf(1n)).toBe('restored');
    expect([...store.view.get().tasks.keys()]).toEqual([1n, 3n]);
    expect(redraws).toBe(1);
  });

  test('an empty one empties the screen', () => {
    taskHappens({ id: 1n });
    store.replace([]);
    expect(store.view.get().tasks.size).toBe(0);
  });
});

test('a burst of events is one redraw', () => {
  const waiting: (() => void)[] = [];
  store = new LiveStore((run) => waiting.push(run));
  for (let id = 1n; id <= 100n; id++) taskHappens({ id });
  expect(waiting).toHaveLength(1);
  waiting[0]?.();
  expect(store.view.get().tasks.size).toBe(100);
});

describe('emergencies', () => {
  const emergency = (id: bigint, revision: bigint, state = EmergencyState.RECEIVED) =>
    create(EmergencySchema, { id, revision, state, taskId: id + 100n });
  const shown = () => [...store.view.get().emergencies.values()].map(({ id, state }) => [id, state]);
  const told = (value: ReturnType<typeof emergency>) => happens(EventType.EMERGENCY_CHANGED, { case: 'emergency', value });

  test('of two copies the greater revision stays, from the feed or from an answer', () => {
    told(emergency(1n, 2n, EmergencyState.ACKNOWLEDGED));
    store.mergeEmergencies([emergency(1n, 1n)]);
    expect(shown()).toEqual([[1n, EmergencyState.ACKNOWLEDGED]]);
  });

  test('one whose task is out of sight goes with it', () => {
    told(emergency(1n, 1n));
    told(emergency(2n, 1n));
    hides(101n);
    expect(shown()).toEqual([[2n, EmergencyState.RECEIVED]]);
  });

  test('all that go on are kept, and only some that are over', () => {
    for (let id = 1n; id <= 5n; id += 1n) told(emergency(id, 1n, EmergencyState.CLOSED));
    told(emergency(6n, 1n));
    expect(store.view.get().emergencies.size).toBe(4);
    expect(store.view.get().emergencies.has(6n)).toBe(true);
  });
});
