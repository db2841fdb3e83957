import { EventType } from '../gen/gad/v1/event_pb';
import type { Part } from '../i18n/part';

const es = {
  title: 'Avisos',
  unread: (count: number) => `Avisos: ${count} sin leer`,
  readAll: 'Marcar todos como leídos',
  none: 'No hay avisos.',
  other: 'Novedad',
  events: {
    [EventType.TASK_CREATED]: 'Tarea nueva',
    [EventType.TASK_UPDATED]: 'Tarea modificada',
    [EventType.TASK_STATE_CHANGED]: 'La tarea avanzó',
    [EventType.TASK_ASSIGNED]: 'Asignación',
    [EventType.TASK_UNASSIGNED]: 'Asignación retirada',
    [EventType.TASK_DELETED]: 'Tarea eliminada',
    [EventType.TASK_UNDELETED]: 'Tarea recuperada',
    [EventType.AGENT_CREATED]: 'Agente nuevo',
    [EventType.AGENT_UPDATED]: 'Agente modificado',
    [EventType.AGENT_AVAILABILITY_CHANGED]: 'Disponibilidad',
    [EventType.AGENT_DELETED]: 'Agente eliminado',
    [EventType.AGENT_UNDELETED]: 'Agente recuperado',
    [EventType.EMERGENCY_RAISED]: 'Emergencia',
    [EventType.EMERGENCY_CHANGED]: 'La emergencia avanzó',
  } as Readonly<Partial<Record<EventType, string>>>,
};

const en: typeof es = {
  title: 'Notifications',
  unread: (count: number) => `Notifications: ${count} unread`,
  readAll: 'Mark all as read',
  none: 'No notifications.',
  other: 'News',
  events: {
    [EventType.TASK_CREATED]: 'New task',
    [EventType.TASK_UPDATED]: 'Task changed',
    [EventType.TASK_STATE_CHANGED]: 'Task moved on',
    [EventType.TASK_ASSIGNED]: 'Assigned',
    [EventType.TASK_UNASSIGNED]: 'Taken off',
    [EventType.TASK_DELETED]: 'Task deleted',
    [EventType.TASK_UNDELETED]: 'Task restored',
    [EventType.AGENT_CREATED]: 'New agent',
    [EventType.AGENT_UPDATED]: 'Agent changed',
    [EventType.AGENT_AVAILABILITY_CHANGED]: 'Availability',
    [EventType.AGENT_DELETED]: 'Agent deleted',
    [EventType.AGENT_UNDELETED]: 'Agent restored',
    [EventType.EMERGENCY_RAISED]: 'Emergency',
    [EventType.EMERGENCY_CHANGED]: 'Emergency moved on',
  },
};

export const bellWords: Part<typeof es> = { es, en };
