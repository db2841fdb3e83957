import { isOngoing, isUnanswered } from '../emergency/state';
import { type Agent, Availability, type Position } from '../gen/gad/v1/agent_pb';
import type { Emergency } from '../gen/gad/v1/emergency_pb';
import { type Task, TaskPriority } from '../gen/gad/v1/task_pb';
import type { Words } from '../i18n';
import { isOpen } from '../live/store';
import { availabilityTone } from '../task/AvailabilityDot';
import { statePath, stateTone } from '../task/looks';
import { millis } from '../time';
import type { Pin } from './pins';

export interface Layers {
  readonly agents: boolean;
  readonly openTasks: boolean;
  readonly closedTasks: boolean;
  readonly zones: boolean;
  readonly heat: boolean;
}

/** Older fixes do not count when the nearest agent is looked for; here they fade. */
const STALE_MILLIS = 15 * 60_000;

export function isStale(position: Position, now: number): boolean {
  return position.fixTime !== undefined && now - millis(position.fixTime) > STALE_MILLIS;
}

export function agentPins(
  agents: ReadonlyMap<bigint, Agent>,
  positions: ReadonlyMap<bigint, Position>,
  { t }: Words,
  now: number,
): Pin[] {
  return [...positions.values()].flatMap((position) => {
    const agent = agents.get(position.agentId);
    if (!agent || !position.location) return [];
    const stale = isStale(position, now) ? ' pin-stale' : '';
    return {
      key: `agent-${agent.id}`,
      at: [position.location.latitude, position.location.longitude],
      look: `pin-agent tone-${availabilityTone[agent.availability]}${stale}`,
      text: initials(agent),
      label: agent.code,
      title: `${agent.code}, ${agent.displayName}, ${t.availabilities[agent.availability]}`,
      zIndex: agent.availability === Availability.OFF_DUTY ? 0 : 200,
    };
  });
}

/** `open` is shown whatever the layers say. */
export function taskPins(tasks: Iterable<Task>, layers: Layers, open: bigint | null, { t }: Words): Pin[] {
  return [...tasks].flatMap((task) => {
    const shown = task.id === open || (isOpen(task) ? layers.openTasks : layers.closedTasks);
    if (!shown || !task.location) return [];
    const pressing = task.priority >= TaskPriority.URGENT && isOpen(task) ? ' pin-pressing' : '';
    return {
      key: `task-${task.id}`,
      at: [task.location.latitude, task.location.longitude],
      look: `pin-task tone-${stateTone[task.state]}${pressing}`,
      path: statePath[task.state],
      label: task.code,
      title: `${task.code}, ${task.title}, ${t.states[task.state]}`,
      zIndex: isOpen(task) ? 100 : -100,
    };
  });
}

/** Calls for help are on the map whatever the layers say. */
export function emergencyPins(emergencies: Iterable<Emergency>, title: (id: string) => string): Pin[] {
  return [...emergencies].flatMap((emergency) => {
    if (!isOngoing(emergency) || !emergency.location) return [];
    const name = title(String(emergency.id));
    return {
      key: `emergency-${emergency.id}`,
      at: [emergency.location.latitude, emergency.location.longitude],
      look: `pin-emergency tone-critical${isUnanswered(emergency) ? ' pin-pressing' : ''}`,
      text: '!',
      label: name,
      title: [name, emergency.description].filter(Boolean).join(', '),
      zIndex: 400,
    };
  });
}

function initials({ displayName, code }: Agent): string {
  const words = displayName.split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[1]].map((word) => word?.[0] ?? '') : [...(displayName || code)].slice(0, 2);
  return letters.join('').toUpperCase();
}
