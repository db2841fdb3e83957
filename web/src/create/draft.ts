import { create } from '@bufbuild/protobuf';
import { LatLngSchema } from '../gen/gad/v1/geo_pb';
import { type Task, TaskKind, TaskPriority, TaskSchema } from '../gen/gad/v1/task_pb';
import type { Messages } from '../i18n/es';
import { timestamp } from '../time';

/** The form as typed. */
export interface Draft {
  readonly title: string;
  readonly kind: TaskKind;
  readonly priority: TaskPriority;
  /** As `<input type="datetime-local">` has it, in the time zone of the screen. */
  readonly plannedStart: string;
  readonly plannedEnd: string;
  readonly description: string;
  readonly latitude: string;
  readonly longitude: string;
  readonly locationDescription: string;
}

export const EMPTY_DRAFT: Draft = {
  title: '',
  kind: TaskKind.UNSPECIFIED,
  priority: TaskPriority.MEDIUM,
  plannedStart: '',
  plannedEnd: '',
  description: '',
  latitude: '',
  longitude: '',
  locationDescription: '',
};

/** Place of the draft, or `null` if it is not, or not wholly, written. */
export function placeOf({ latitude, longitude }: Draft): [number, number] | null {
  const place: [number, number] = [decimal(latitude), decimal(longitude)];
  return place.every(Number.isFinite) ? place : null;
}

/** What cannot even be sent, by field. All other rules are the server's. */
export function unsendable(draft: Draft, t: Messages): Map<string, string> {
  const written = [draft.latitude, draft.longitude].filter((text) => text.trim() !== '');
  if (written.some((text) => !Number.isFinite(decimal(text)))) return new Map([['location', t.create.invalidNumber]]);
  if (written.length === 1) return new Map([['location', t.create.bothCoordinates]]);
  return new Map();
}

export function taskOf(draft: Draft): Task {
  const place = placeOf(draft);
  const task = create(TaskSchema, {
    title: draft.title.trim(),
    kind: draft.kind,
    priority: draft.priority,
    description: draft.description.trim(),
    locationDescription: draft.locationDescription.trim(),
  });
  if (draft.plannedStart) task.plannedStartTime = timestamp(new Date(draft.plannedStart).getTime());
  if (draft.plannedEnd) task.plannedEndTime = timestamp(new Date(draft.plannedEnd).getTime());
  if (place) task.location = create(LatLngSchema, { latitude: place[0], longitude: place[1] });
  return task;
}

/** People of some places write a decimal comma. */
function decimal(text: string): number {
  return text.trim() === '' ? NaN : Number(text.trim().replace(',', '.'));
}
