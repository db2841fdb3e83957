import { create } from '@bufbuild/protobuf';
import { DurationSchema, type Duration } from '@bufbuild/protobuf/wkt';
import { LatLngSchema } from '../gen/gad/v1/geo_pb';
import { TaskKind, TaskPriority } from '../gen/gad/v1/task_pb';
import {
  MissedOccurrences,
  type Recurrence,
  RecurrenceSchema,
  type TaskTemplate,
  TaskTemplateSchema,
} from '../gen/gad/v1/template_pb';
import { durationMillis, millis, timestamp } from '../time';
import { linesOf, numberOf } from '../ui/lines';
import { momentOf, NO_RHYTHM, type Rhythm, rhythmOf, ruleOf, wallTime } from './recurrence';

/** A template as typed. */
export interface Draft {
  readonly displayName: string;
  readonly title: string;
  readonly description: string;
  readonly kind: TaskKind;
  readonly priority: TaskPriority;
  readonly place: readonly [number, number] | null;
  readonly locationDescription: string;
  /** Minutes. */
  readonly planned: string;
  /** One a line. */
  readonly checklist: string;
  readonly rhythm: Rhythm;
  /** By the clocks of `zone`. */
  readonly start: string;
  readonly zone: string;
  /** Minutes. */
  readonly lead: string;
  readonly missed: MissedOccurrences;
  readonly paused: boolean;
}

const MINUTE_MILLIS = 60_000;

export function draftOf(template: TaskTemplate | undefined, now: number, here: string): Draft {
  const { recurrence, location } = template ?? {};
  const zone = recurrence?.timeZone || here;
  const nextHour = Math.ceil(now / 3_600_000) * 3_600_000;
  return {
    displayName: template?.displayName ?? '',
    title: template?.title ?? '',
    description: template?.description ?? '',
    kind: template?.kind ?? TaskKind.PATROL,
    priority: template?.priority ?? TaskPriority.MEDIUM,
    place: location ? [location.latitude, location.longitude] : null,
    locationDescription: template?.locationDescription ?? '',
    planned: minutes(template?.plannedDuration),
    checklist: template?.checklist.join('\n') ?? '',
    rhythm: recurrence ? rhythmOf(recurrence.rule) : NO_RHYTHM,
    start: wallTime(recurrence?.startTime ? millis(recurrence.startTime) : nextHour, zone),
    zone,
    lead: minutes(recurrence?.lead),
    missed: recurrence?.missed || MissedOccurrences.LATEST,
    paused: template?.paused ?? false,
  };
}

/** The recurrence of a draft; absent: it is made by hand, or its start is no time. */
export function recurrenceOf({ rhythm, start, zone, lead, missed }: Draft): Recurrence | undefined {
  const rule = ruleOf(rhythm);
  const at = momentOf(start, zone);
  if (rule === '' || Number.isNaN(at)) return undefined;
  const recurrence = create(RecurrenceSchema, { rule, startTime: timestamp(at), timeZone: zone, missed });
  const before = duration(lead);
  if (before) recurrence.lead = before;
  return recurrence;
}

export function templateOf(draft: Draft, before: TaskTemplate | undefined): TaskTemplate {
  const { place, planned, checklist } = draft;
  const template = create(TaskTemplateSchema, {
    id: before?.id ?? 0n,
    etag: before?.etag ?? '',
    delegateUserId: before?.delegateUserId ?? 0n,
    displayName: draft.displayName.trim(),
    title: draft.title.trim(),
    description: draft.description.trim(),
    kind: draft.kind,
    priority: draft.priority,
    locationDescription: draft.locationDescription.trim(),
    checklist: linesOf(checklist),
    paused: draft.paused,
  });
  if (place) template.location = create(LatLngSchema, { latitude: place[0], longitude: place[1] });
  const length = duration(planned);
  if (length) template.plannedDuration = length;
  const recurrence = recurrenceOf(draft);
  if (recurrence) template.recurrence = recurrence;
  return template;
}

function minutes(length: Duration | undefined): string {
  const spent = length ? durationMillis(length) / MINUTE_MILLIS : 0;
  return spent > 0 ? String(spent) : '';
}

function duration(text: string): Duration | undefined {
  const value = numberOf(text);
  return value ? create(DurationSchema, { seconds: BigInt(Math.round(value * 60)) }) : undefined;
}
