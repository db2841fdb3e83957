import { RetentionKind } from '../gen/gad/v1/privacy_pb';
import type { Part } from '../i18n/part';

const es = {
  kind: 'Qué',
  keep: 'Cuánto tiempo',
  kinds: {
    [RetentionKind.UNSPECIFIED]: '—',
    [RetentionKind.POSITIONS]: 'Recorridos de agentes',
    [RetentionKind.SHIFTS]: 'Turnos de agentes',
    [RetentionKind.REPLAYS]: 'Respuestas guardadas de cambios',
    [RetentionKind.SESSIONS]: 'Sesiones y tokens terminados',
    [RetentionKind.MAILS]: 'Correos que no se pudieron enviar',
    [RetentionKind.MAILED_TOKENS]: 'Enlaces de correos usados o vencidos',
    [RetentionKind.DELETED_TASKS]: 'Tareas eliminadas',
    [RetentionKind.DELETED_USERS]: 'Personas eliminadas',
    [RetentionKind.REVEALS]: 'Consultas de ubicación con motivo',
    [RetentionKind.AUDIT]: 'Auditoría',
  } satisfies Record<RetentionKind, string>,
};

const en: typeof es = {
  kind: 'What',
  keep: 'How long',
  kinds: {
    [RetentionKind.UNSPECIFIED]: '—',
    [RetentionKind.POSITIONS]: 'Tracks of agents',
    [RetentionKind.SHIFTS]: 'Shifts of agents',
    [RetentionKind.REPLAYS]: 'Kept answers to changes',
    [RetentionKind.SESSIONS]: 'Sessions and tokens that ended',
    [RetentionKind.MAILS]: 'Mail that could not be sent',
    [RetentionKind.MAILED_TOKENS]: 'Mailed links, used or over',
    [RetentionKind.DELETED_TASKS]: 'Deleted tasks',
    [RetentionKind.DELETED_USERS]: 'Deleted people',
    [RetentionKind.REVEALS]: 'Looks at places, with a reason',
    [RetentionKind.AUDIT]: 'Audit',
  },
};

export const words: Part<typeof es> = { es, en };
