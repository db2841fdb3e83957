import { MissedOccurrences } from '../gen/gad/v1/template_pb';
import type { Part } from '../i18n/part';
import type { Every, Rhythm } from './recurrence';

const esDays: Record<string, string> = { MO: 'lun', TU: 'mar', WE: 'mié', TH: 'jue', FR: 'vie', SA: 'sáb', SU: 'dom' };
const enDays: Record<string, string> = { MO: 'Mon', TU: 'Tue', WE: 'Wed', TH: 'Thu', FR: 'Fri', SA: 'Sat', SU: 'Sun' };

const es = {
  title: 'Plantillas',
  text: 'Tareas que se crean una y otra vez, a mano o por calendario.',
  none: 'No hay plantillas.',
  create: 'Plantilla nueva',
  name: 'Nombre de la plantilla',
  taskTitle: 'Título de sus tareas',
  checklist: 'Lista de control',
  oneALine: 'Un punto por línea.',
  planned: 'Duración planificada (minutos)',
  plannedHint: 'Vacía: sin fin planificado.',
  every: 'Repetición',
  repeats: 'Se repite',
  everies: {
    none: 'A mano',
    hours: 'Cada hora',
    days: 'Cada día',
    weeks: 'Cada semana',
    months: 'Cada mes',
    rule: 'Regla propia',
  } satisfies Record<Every, string>,
  rhythm: ({ every, interval, days, rule }: Rhythm) => {
    const units: Record<string, [string, string]> = {
      hours: ['Cada hora', 'horas'],
      days: ['Cada día', 'días'],
      weeks: ['Cada semana', 'semanas'],
      months: ['Cada mes', 'meses'],
    };
    const unit = units[every];
    if (!unit) return every === 'rule' ? rule : 'A mano';
    const base = interval > 1 ? `Cada ${interval} ${unit[1]}` : unit[0];
    return days.length > 0 ? `${base}: ${days.map((day) => esDays[day] ?? day).join(', ')}` : base;
  },
  days: esDays,
  interval: 'Cada cuántas',
  count: 'Veces',
  countHint: 'Vacío: sin fin.',
  weekdays: 'Días de la semana',
  rule: 'Regla (RFC 5545)',
  ruleHint: 'Como FREQ=MONTHLY;BYDAY=1MO',
  start: 'Desde',
  zone: 'Zona horaria',
  lead: 'Antelación (minutos)',
  leadHint: 'Cuánto antes se crea la tarea.',
  missed: 'Si se pasa alguna',
  misseds: {
    [MissedOccurrences.UNSPECIFIED]: '',
    [MissedOccurrences.LATEST]: 'Crear solo la última',
    [MissedOccurrences.ALL]: 'Crear todas',
    [MissedOccurrences.NONE]: 'No crear ninguna',
  } satisfies Record<MissedOccurrences, string>,
  paused: 'En pausa',
  pausedHint: 'No crea nada, y lo que pase mientras tanto no se crea después.',
  isPaused: 'En pausa',
  nextTimes: 'Próximas veces',
  noStart: 'Escriba desde cuándo y una zona horaria que exista.',
  over: 'No se repetirá más.',
  next: 'Próxima',
  byHand: 'A mano',
  make: 'Crear ahora',
  makeOf: (name: string) => `Crear ahora: ${name}`,
  made: (code: string) => `Tarea ${code} creada`,
  remove: 'Eliminar',
  removeText: 'Las tareas que ya se crearon quedan.',
};

const en: typeof es = {
  title: 'Templates',
  text: 'Tasks that are made again and again, by hand or by the calendar.',
  none: 'There are no templates.',
  create: 'New template',
  name: 'Name of the template',
  taskTitle: 'Title of its tasks',
  checklist: 'Checklist',
  oneALine: 'An item a line.',
  planned: 'Planned length (minutes)',
  plannedHint: 'Empty: without a planned end.',
  every: 'Recurrence',
  repeats: 'Happens',
  everies: {
    none: 'By hand',
    hours: 'Every hour',
    days: 'Every day',
    weeks: 'Every week',
    months: 'Every month',
    rule: 'A rule of one’s own',
  },
  rhythm: ({ every, interval, days, rule }) => {
    const unit = every === 'none' || every === 'rule' ? null : every;
    if (!unit) return every === 'rule' ? rule : 'By hand';
    const base = interval > 1 ? `Every ${interval} ${unit}` : `Every ${unit.slice(0, -1)}`;
    return days.length > 0 ? `${base}: ${days.map((day) => enDays[day] ?? day).join(', ')}` : base;
  },
  days: enDays,
  interval: 'Every how many',
  count: 'Times',
  countHint: 'Empty: without end.',
  weekdays: 'Days of the week',
  rule: 'Rule (RFC 5545)',
  ruleHint: 'Such as FREQ=MONTHLY;BYDAY=1MO',
  start: 'From',
  zone: 'Time zone',
  lead: 'Lead (minutes)',
  leadHint: 'How long before its time the task is made.',
  missed: 'If any is missed',
  misseds: {
    [MissedOccurrences.UNSPECIFIED]: '',
    [MissedOccurrences.LATEST]: 'Make the latest only',
    [MissedOccurrences.ALL]: 'Make all of them',
    [MissedOccurrences.NONE]: 'Make none',
  },
  paused: 'Paused',
  pausedHint: 'Nothing is made, and what passes meanwhile is not made later.',
  isPaused: 'Paused',
  nextTimes: 'Next times',
  noStart: 'Write from when, and a time zone that exists.',
  over: 'It will not happen again.',
  next: 'Next',
  byHand: 'By hand',
  make: 'Make one now',
  makeOf: (name) => `Make one now: ${name}`,
  made: (code) => `Task ${code} created`,
  remove: 'Delete',
  removeText: 'Tasks that were made already stay.',
};

export const words: Part<typeof es> = { es, en };
