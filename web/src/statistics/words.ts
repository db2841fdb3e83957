import { StatisticsGroup } from '../gen/gad/v1/statistics_pb';
import type { Part } from '../i18n/part';
import { CHOSEN_DAYS } from './filter';

const es = {
  title: 'Estadísticas',
  now: 'Ahora mismo',
  none: 'No hay tareas con este filtro.',
  all: 'Cualquiera',
  group: 'Agrupar por',
  period: 'Periodo',
  from: 'Desde',
  to: 'Hasta',
  by: (group: string) => `Por ${group.toLowerCase()}`,
  cut: (count: number) => `Se muestran los primeros ${count} grupos. Acote el filtro para ver los demás.`,
  periods: (days: number) => {
    if (days === CHOSEN_DAYS) return 'Elegir fechas';
    if (days === 0) return 'Desde el principio';
    return days === 1 ? 'Hoy' : `Últimos ${days} días`;
  },
  groups: {
    [StatisticsGroup.UNSPECIFIED]: 'Todo',
    [StatisticsGroup.USER]: 'Responsable',
    [StatisticsGroup.AGENT]: 'Agente',
    [StatisticsGroup.UNIT]: 'Unidad',
    [StatisticsGroup.ZONE]: 'Zona',
    [StatisticsGroup.KIND]: 'Tipo',
    [StatisticsGroup.PRIORITY]: 'Prioridad',
    [StatisticsGroup.DAY]: 'Día (UTC)',
  } satisfies Record<StatisticsGroup, string>,
  kpis: {
    scheduledCount: 'Programadas',
    inProgressCount: 'En curso',
    pausedCount: 'Pausadas',
    overdueCount: 'Vencidas',
    urgentCount: 'Urgentes y críticas',
    emergencyCount: 'Emergencias',
  },
  states: 'Por estado',
  created: (count: number) => `${count} ${count === 1 ? 'tarea creada' : 'tareas creadas'} en el periodo`,
  overdue: 'Vencidas ahora',
  finishedLate: 'Finalizadas tarde',
  durations: 'Cuánto tarda',
  what: 'Qué',
  range: 'La mitad central',
  median: 'Mediana',
  mean: 'Media',
  measured: 'Medidas',
  spans: {
    assign: 'Asignar',
    acknowledge: 'Atender emergencia',
    start: 'Iniciar',
    finish: 'Finalizar',
    worked: 'Trabajo',
    planned: 'Planificado',
  },
  tasks: 'Tareas',
  open: 'Abiertas',
  finished: 'Finalizadas',
  medians: 'Trabajo y finalizar son medianas: el trabajo sin pausas, y el tiempo desde la creación hasta el fin.',
  nobody: 'Nadie',
  nowhere: 'Fuera de las zonas',
  without: 'Sin unidad',
};

const en: typeof es = {
  title: 'Statistics',
  now: 'This moment',
  none: 'No tasks with this filter.',
  all: 'Any',
  group: 'Group by',
  period: 'Period',
  from: 'From',
  to: 'To',
  by: (group) => `By ${group.toLowerCase()}`,
  cut: (count) => `The first ${count} groups are shown. Narrow the filter to see the others.`,
  periods: (days) => {
    if (days === CHOSEN_DAYS) return 'Choose days';
    if (days === 0) return 'From the beginning';
    return days === 1 ? 'Today' : `Last ${days} days`;
  },
  groups: {
    [StatisticsGroup.UNSPECIFIED]: 'All',
    [StatisticsGroup.USER]: 'Overseer',
    [StatisticsGroup.AGENT]: 'Agent',
    [StatisticsGroup.UNIT]: 'Unit',
    [StatisticsGroup.ZONE]: 'Zone',
    [StatisticsGroup.KIND]: 'Kind',
    [StatisticsGroup.PRIORITY]: 'Priority',
    [StatisticsGroup.DAY]: 'Day (UTC)',
  },
  kpis: {
    scheduledCount: 'Scheduled',
    inProgressCount: 'In progress',
    pausedCount: 'Paused',
    overdueCount: 'Overdue',
    urgentCount: 'Urgent and critical',
    emergencyCount: 'Emergencies',
  },
  states: 'By state',
  created: (count) => `${count} ${count === 1 ? 'task' : 'tasks'} created in the period`,
  overdue: 'Overdue now',
  finishedLate: 'Finished late',
  durations: 'How long it takes',
  what: 'What',
  range: 'The middle half',
  median: 'Median',
  mean: 'Mean',
  measured: 'Measured',
  spans: {
    assign: 'To assign',
    acknowledge: 'To answer an emergency',
    start: 'To start',
    finish: 'To finish',
    worked: 'Work',
    planned: 'Planned',
  },
  tasks: 'Tasks',
  open: 'Open',
  finished: 'Finished',
  medians: 'Work and finish are medians: work without pauses, and the time from creation to the end.',
  nobody: 'Nobody',
  nowhere: 'Outside of zones',
  without: 'No unit',
};

export const words: Part<typeof es> = { es, en };
